#include "cli/resolver.h"

#include <chrono>
#include <cstring>
#include <memory>
#include <utility>

#include <netdb.h>
#include <netinet/in.h>

namespace weft {

using namespace std::chrono_literals;

namespace {

constexpr Duration retry_interval = 10s;

IpAddress to_address(const sockaddr& address) {
    if (address.sa_family == AF_INET) {
        std::array<std::uint8_t, 4> octets{};
        std::memcpy(octets.data(), &reinterpret_cast<const sockaddr_in&>(address).sin_addr, octets.size());
        return IpAddress::v4(octets);
    }
    std::array<std::uint8_t, 16> octets{};
    std::memcpy(octets.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, octets.size());
    return IpAddress::v6(octets);
}

}  // namespace

Resolver::Resolver(Loop& loop)
    : wakeup_(loop, [this] { collect(); }),
      retry_(loop,
             [this] {
                 const std::lock_guard lock(mutex_);
                 waiting_.splice(waiting_.end(), failed_);
                 changed_.notify_one();
             }),
      thread_([this] { work(); }) {}

Resolver::~Resolver() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

void Resolver::lookup(std::uint32_t key, std::string host, std::function<void(const IpAddress&)> resolved,
                      std::function<void(const std::string&)> failed) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({key, std::move(host), std::move(resolved), std::move(failed), std::nullopt, {}});
    changed_.notify_one();
}

void Resolver::forget(std::uint32_t key) {
    const std::lock_guard lock(mutex_);
    for (auto* lookups : {&waiting_, &done_, &failed_}) {
        lookups->remove_if([key](const Lookup& lookup) { return lookup.key == key; });
    }
}

void Resolver::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (stopping_) return;
        const std::string host = waiting_.front().host;
        lock.unlock();

        addrinfo hints{};
        hints.ai_socktype = SOCK_DGRAM;
        addrinfo* found = nullptr;
        const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
        const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);

        lock.lock();
        // It may have been forgotten meanwhile, and the next one have the same host: that one is served as
        // well.
        if (waiting_.empty() || waiting_.front().host != host) continue;
        Lookup& lookup = waiting_.front();
        if (error == 0) {
            lookup.address = to_address(*found->ai_addr);
        } else {
            lookup.error = ::gai_strerror(error);
        }
        done_.splice(done_.end(), waiting_, waiting_.begin());
        wakeup_.send();
    }
}

void Resolver::collect() {
    std::unique_lock lock(mutex_);
    while (!done_.empty()) {
        Lookup lookup = std::move(done_.front());
        done_.pop_front();
        lock.unlock();
        if (lookup.address) {
            lookup.resolved(*lookup.address);
        } else {
            lookup.failed(lookup.error);
        }
        lock.lock();
        if (lookup.address) continue;
        failed_.push_back(std::move(lookup));
        retry_.start(retry_interval);
    }
}

}  // namespace weft
