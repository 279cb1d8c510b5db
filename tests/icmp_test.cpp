#include "vswitch/icmp.h"

#include <doctest/doctest.h>

#include "tests/support/datagrams.h"
#include "vswitch/headers.h"
#include "vswitch/token_bucket.h"

using namespace weft;
using namespace weft::test;

namespace {

const IpAddress station_v4 = ip("10.0.0.9");
const IpAddress far_v4 = ip("198.51.100.7");
const IpAddress router_v4 = ip("10.0.0.1");
const IpAddress station_v6 = ip("2001:db8::9");
const IpAddress far_v6 = ip("2001:db8:7::7");
const IpAddress router_v6 = ip("2001:db8::1");

Classified classified(const Packet& packet) {
    const auto what = classify_datagram(packet.bytes());
    REQUIRE(what.has_value());
    return *what;
}

Bytes bytes_of(const Packet& packet) {
    return {packet.bytes().begin(), packet.bytes().end()};
}

// Whether both checksums and all lengths of an ICMP datagram are right.
void check_icmp(const Bytes& bytes, const IpAddress& source, const IpAddress& destination) {
    const bool is_v6 = source.is_v6();
    const std::size_t header = is_v6 ? 40 : 20;
    const auto message = std::span(bytes).subspan(header);
    if (is_v6) {
        CHECK(get16(bytes, 4) == message.size());
        CHECK(transport_checksum(source, destination, 58, message) == 0);
    } else {
        CHECK(bytes[0] == 0x45);
        CHECK(get16(bytes, 2) == bytes.size());
        CHECK(naive_checksum(std::span(bytes).first(20)) == 0);
        CHECK(naive_checksum(message) == 0);
    }
    const auto addresses = std::span(bytes).subspan(is_v6 ? 8 : 12);
    CHECK(std::ranges::equal(addresses.first(header / 5 * 2 == 8 ? 4 : 16), source.bytes()));
    CHECK(std::ranges::equal(addresses.subspan(is_v6 ? 16 : 4, is_v6 ? 16 : 4), destination.bytes()));
}

}  // namespace

TEST_CASE("an error has the type and code of its cause and quotes what caused it") {
    using Kind = IcmpError::Kind;

    struct {
        Kind kind;
        unsigned v4;  // type, code
        unsigned v6;
    } const rows[] = {
        {Kind::network_unreachable, 0x0300, 0x0100},  {Kind::host_unreachable, 0x0301, 0x0103},
        {Kind::protocol_unreachable, 0x0302, 0x0104}, {Kind::port_unreachable, 0x0303, 0x0104},
        {Kind::time_exceeded, 0x0B00, 0x0300},        {Kind::too_big, 0x0304, 0x0200},
    };

    PacketPool pool(1);
    for (const auto& row : rows) {
        for (const bool is_v6 : {false, true}) {
            const IpAddress& station = is_v6 ? station_v6 : station_v4;
            const IpAddress& router = is_v6 ? router_v6 : router_v4;
            const Bytes original = udp_datagram(station, is_v6 ? far_v6 : far_v4, 31);
            Packet packet = pool.take(original);
            REQUIRE(make_icmp_error(packet, classified(packet).flow, {row.kind, 1400}, router, 1500));
            const Bytes made = bytes_of(packet);
            check_icmp(made, router, station);
            const std::size_t header = is_v6 ? 40 : 20;
            CHECK(get16(made, header) == (is_v6 ? row.v6 : row.v4));
            CHECK(get32(made, header + 4) == (row.kind == Kind::too_big ? 1400U : 0U));
            CHECK(Bytes(made.begin() + static_cast<std::ptrdiff_t>(header + 8), made.end()) == original);
        }
    }
}

TEST_CASE("an error is cut to 576 bytes, 1280 for IPv6, and to the MTU of its way") {
    PacketPool pool(1);
    const auto size = [&](const IpAddress& from, const IpAddress& to, const IpAddress& router,
                          std::size_t mtu) {
        Packet packet = pool.take(udp_datagram(from, to, 1400));
        REQUIRE(
            make_icmp_error(packet, classified(packet).flow, {IcmpError::Kind::time_exceeded}, router, mtu));
        check_icmp(bytes_of(packet), router, from);
        return packet.size();
    };
    CHECK(size(station_v4, far_v4, router_v4, 1500) == 576);
    CHECK(size(station_v4, far_v4, router_v4, 500) == 500);
    CHECK(size(station_v6, far_v6, router_v6, 1500) == 1280);
}

TEST_CASE("an error forgets the offload metadata and the VLAN of what it replaces") {
    PacketPool pool(1);
    Packet packet = pool.take(udp_datagram(station_v4, far_v4, 5000));
    packet.offload() = {
        .gso = Offload::Gso::udp, .needs_checksum = true, .gso_size = 1000, .checksum_offset = 6};
    packet.vlan_tci() = 5;
    REQUIRE(
        make_icmp_error(packet, classified(packet).flow, {IcmpError::Kind::too_big, 900}, router_v4, 1500));
    CHECK(packet.offload().gso == Offload::Gso::none);
    CHECK_FALSE(packet.offload().needs_checksum);
    CHECK(packet.vlan_tci() == 0);
}

TEST_CASE("no error is made where its headers have no room") {
    PacketPool pool(1);
    Packet packet = pool.take(udp_datagram(station_v4, far_v4, 100));
    const Classified what = classified(packet);
    CHECK_FALSE(make_icmp_error(packet, what.flow, {IcmpError::Kind::time_exceeded}, router_v4, 40));
    packet.push(packet.headroom() - 10);
    CHECK_FALSE(make_icmp_error(packet, what.flow, {IcmpError::Kind::time_exceeded}, router_v4, 1500));
}

TEST_CASE("there is no error about errors, later fragments, groups and unspecified sources") {
    const Bytes body(40, 0);
    const Bytes payload = pattern(64);
    const auto fragment_v6 = [&](unsigned offset_flags) {
        Bytes bytes{17, 0};
        append16(bytes, offset_flags);
        append32(bytes, 99);
        append(bytes, udp(station_v6, far_v6, payload));
        return ipv6(station_v6, far_v6, 44, bytes);
    };
    const Bytes first = udp(station_v4, far_v4, payload);

    struct {
        const char* what;
        Bytes datagram;
        bool allowed;
    } const rows[] = {
        {"UDP", udp_datagram(station_v4, far_v4, 10), true},
        {"UDP over IPv6", udp_datagram(station_v6, far_v6, 10), true},
        {"an unknown protocol", ipv4(station_v4, far_v4, 200, payload), true},
        {"a ping", ping(station_v4, far_v4), true},
        {"a ping over IPv6", ping(station_v6, far_v6), true},
        {"an echo reply", ipv4(station_v4, far_v4, 1, icmp(station_v4, far_v4, 0, 0, body)), true},
        {"unreachable", ipv4(station_v4, far_v4, 1, icmp(station_v4, far_v4, 3, 0, body)), false},
        {"source quench", ipv4(station_v4, far_v4, 1, icmp(station_v4, far_v4, 4, 0, body)), false},
        {"redirect", ipv4(station_v4, far_v4, 1, icmp(station_v4, far_v4, 5, 0, body)), false},
        {"time exceeded", ipv4(station_v4, far_v4, 1, icmp(station_v4, far_v4, 11, 0, body)), false},
        {"parameter problem", ipv4(station_v4, far_v4, 1, icmp(station_v4, far_v4, 12, 0, body)), false},
        {"ICMP that is cut short", ipv4(station_v4, far_v4, 1, Bytes{8, 0}), false},
        {"ICMPv6 error", ipv6(station_v6, far_v6, 58, icmp(station_v6, far_v6, 1, 0, body)), false},
        {"ICMPv6 redirect", ipv6(station_v6, far_v6, 58, icmp(station_v6, far_v6, 137, 0, body)), false},
        {"a first fragment", ipv4(station_v4, far_v4, 17, first, {.flags_fragment = 0x2000}), true},
        {"a later fragment", ipv4(station_v4, far_v4, 17, first, {.flags_fragment = 0x2001}), false},
        {"the last fragment", ipv4(station_v4, far_v4, 17, first, {.flags_fragment = 0x0009}), false},
        {"a first IPv6 fragment", fragment_v6(1), true},
        {"a later IPv6 fragment", fragment_v6(8 | 1), false},
        {"to a group", udp_datagram(station_v4, ip("224.0.0.251"), 10), false},
        {"to an IPv6 group", udp_datagram(station_v6, ip("ff02::fb"), 10), false},
        {"to all", udp_datagram(station_v4, ip("255.255.255.255"), 10), false},
        {"from nobody", udp_datagram(ip("0.0.0.0"), far_v4, 10), false},
        {"from nobody over IPv6", udp_datagram(ip("::"), far_v6, 10), false},
        {"from a group", udp_datagram(ip("224.0.0.1"), far_v4, 10), false},
    };

    PacketPool pool(1);
    for (const auto& row : rows) {
        CAPTURE(row.what);
        const Packet packet = pool.take(row.datagram);
        CHECK(may_report(packet, classified(packet)) == row.allowed);
    }
}

TEST_CASE("an echo request becomes its reply") {
    PacketPool pool(1);
    for (const std::size_t payload : {0U, 1U, 56U, 1400U}) {
        for (const bool is_v6 : {false, true}) {
            const IpAddress& station = is_v6 ? station_v6 : station_v4;
            const IpAddress& router = is_v6 ? router_v6 : router_v4;
            const Bytes request = ping(station, router, payload, 3);
            Packet packet = pool.take(request);
            const Classified what = classified(packet);
            REQUIRE(is_echo_request(packet, what));
            REQUIRE(make_echo_reply(packet, what).has_value());
            const Bytes reply = bytes_of(packet);
            check_icmp(reply, router, station);
            const std::ptrdiff_t header = is_v6 ? 40 : 20;
            CHECK(get16(reply, static_cast<std::size_t>(header)) == (is_v6 ? 0x8100 : 0));
            CHECK(Bytes(reply.begin() + header + 4, reply.end()) ==
                  Bytes(request.begin() + header + 4, request.end()));
            CHECK(reply[is_v6 ? 7 : 8] == 64);
        }
    }
}

TEST_CASE("an echo reply has no IP options") {
    PacketPool pool(1);
    const Bytes echo = icmp(station_v4, router_v4, 8, 0, pattern(20));
    Packet packet = pool.take(ipv4(station_v4, router_v4, 1, echo, {.options = {7, 7, 4, 0, 0, 0, 0, 1}}));
    REQUIRE(make_echo_reply(packet, classified(packet)).has_value());
    check_icmp(bytes_of(packet), router_v4, station_v4);
}

TEST_CASE("a damaged echo request is not answered") {
    PacketPool pool(1);
    for (const bool is_v6 : {false, true}) {
        const Bytes request = ping(is_v6 ? station_v6 : station_v4, is_v6 ? router_v6 : router_v4);
        for (std::size_t at = is_v6 ? 44 : 24; at < request.size(); ++at) {
            Bytes damaged = request;
            damaged[at] ^= 0x10;
            Packet packet = pool.take(damaged);
            const auto made = make_echo_reply(packet, classified(packet));
            REQUIRE_FALSE(made.has_value());
            CHECK(made.error() == Drop::bad_checksum);
        }
    }
}

TEST_CASE("a token bucket lets a burst through, then its rate") {
    TokenBucket bucket(100, 50);
    const Instant start{std::chrono::hours{5}};
    const auto taken = [&](Instant now, int tries) {
        int count = 0;
        for (int i = 0; i < tries; ++i) count += bucket.take(now) ? 1 : 0;
        return count;
    };
    CHECK(taken(start, 200) == 50);
    CHECK(taken(start + std::chrono::milliseconds{100}, 200) == 10);
    CHECK(taken(start + std::chrono::milliseconds{50}, 200) == 0);  // time that goes back earns nothing
    CHECK(taken(start + std::chrono::hours{24}, 200) == 50);
}
