#include "cli/resolver.h"

#include <array>
#include <condition_variable>
#include <cstring>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include <netdb.h>
#include <netinet/in.h>

namespace weft {

namespace {

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

Resolved look_up(const std::string& host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    if (error != 0) return {.addresses = {}, .error = ::gai_strerror(error)};
    Resolved resolved;
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next)
        resolved.addresses.push_back(to_address(*one->ai_addr));
    return resolved;
}

// What the thread shares with its Resolver, and keeps when that is gone.
struct Resolver::State {
    struct Lookup {
        std::uint32_t key = 0;
        std::string host;
        std::function<void(const Resolved&)> done;
        Resolved resolved;
    };

    std::mutex mutex;
    std::condition_variable changed;
    std::list<Lookup> waiting;
    std::list<Lookup> done;
    Wakeup* wakeup = nullptr;  // null: the Resolver is gone
};

Resolver::Resolver(Loop& loop, LookUp look_up)
    : wakeup_(loop, [this] { collect(); }), state_(std::make_shared<State>()) {
    state_->wakeup = &wakeup_;
    std::thread([state = state_, look_up = std::move(look_up)] { work(state, look_up); }).detach();
}

Resolver::~Resolver() {
    const std::lock_guard lock(state_->mutex);
    state_->wakeup = nullptr;
    // What their callbacks hold goes here, with its owner's other things, and not on the thread.
    state_->waiting.clear();
    state_->done.clear();
    state_->changed.notify_one();
}

void Resolver::lookup(std::uint32_t key, std::string host, std::function<void(const Resolved&)> done) {
    const std::lock_guard lock(state_->mutex);
    state_->waiting.push_back({key, std::move(host), std::move(done), {}});
    state_->changed.notify_one();
}

void Resolver::forget(std::uint32_t key) {
    const std::lock_guard lock(state_->mutex);
    for (auto* lookups : {&state_->waiting, &state_->done}) {
        lookups->remove_if([key](const State::Lookup& lookup) { return lookup.key == key; });
    }
}

void Resolver::work(const std::shared_ptr<State>& state, const LookUp& look_up) {
    std::unique_lock lock(state->mutex);
    while (true) {
        state->changed.wait(lock, [&] { return state->wakeup == nullptr || !state->waiting.empty(); });
        if (state->wakeup == nullptr) return;
        const std::string host = state->waiting.front().host;
        lock.unlock();
        auto resolved = look_up(host);
        lock.lock();
        // It may have been forgotten meanwhile, and the next one have the same host: that one is served as
        // well.
        if (state->waiting.empty() || state->waiting.front().host != host) continue;
        state->waiting.front().resolved = std::move(resolved);
        state->done.splice(state->done.end(), state->waiting, state->waiting.begin());
        state->wakeup->send();
    }
}

void Resolver::collect() {
    std::unique_lock lock(state_->mutex);
    while (!state_->done.empty()) {
        const State::Lookup lookup = std::move(state_->done.front());
        state_->done.pop_front();
        lock.unlock();
        lookup.done(lookup.resolved);
        lock.lock();
    }
}

}  // namespace weft
