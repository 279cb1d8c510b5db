#include "vswitch/flow.h"

#include <functional>
#include <random>
#include <set>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"
#include "vswitch/checksum.h"

using namespace weft;
using test::Bytes;
using test::ip;
using test::mac;
using test::PacketBuilder;

namespace {

const MacAddress station_a = mac("02:00:00:00:00:0a");
const MacAddress station_b = mac("02:00:00:00:00:0b");
const IpAddress v4_a = ip("192.0.2.1");
const IpAddress v4_b = ip("198.51.100.2");
const IpAddress v6_a = ip("2001:db8::1");
const IpAddress v6_b = ip("2001:db8:ffff::2");

struct Expected {
    std::string_view name;
    PacketBuilder datagram;
    std::uint8_t protocol;
    std::uint16_t transport = Classified::absent;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    bool is_fragment = false;
};

PacketBuilder v4() {
    return PacketBuilder().ip(v4_a, v4_b);
}

PacketBuilder v6() {
    return PacketBuilder().ip(v6_a, v6_b);
}

std::vector<Expected> valid_datagrams() {
    using namespace ip_protocol;
    constexpr auto absent = Classified::absent;
    const Bytes router_alert = {0x94, 0x04, 0x00, 0x00};
    const Bytes mss = {2, 4, 0x05, 0xB4};
    PacketBuilder eight_extensions = v6().extension(hop_by_hop);
    for (int i = 0; i < 7; ++i) eight_extensions.extension(destination_options, 1);
    return {
        {"udp", v4().udp(1000, 53).payload(20), udp, 20, 1000, 53},
        {"udp without payload", v4().udp(1000, 53), udp, 20, 1000, 53},
        {"udp behind options", v4().ip_options(router_alert).udp(1, 2).payload(3), udp, 24, 1, 2},
        {"udp, padded", v4().udp(1000, 53).pad_to(46), udp, 20, 1000, 53},
        {"tcp", v4().tcp(40000, 443, TcpHeader::syn).tcp_options(mss), tcp, 20, 40000, 443},
        {"ping", v4().echo_request(77, 1).payload(8), icmp, 20, 77, 77},
        {"pong", v4().echo_reply(77, 1).payload(8), icmp, 20, 77, 77},
        {"unreachable", v4().icmp(3, 1, 0x00050006).ip(v4_b, v4_a).udp(1, 2), icmp, 20},
        {"esp", v4().protocol(50).payload(40), 50},
        {"first fragment", v4().fragment(0, true).udp(1000, 53).payload(24), udp, 20, 1000, 53, true},
        {"later fragment", v4().fragment(32, true).protocol(udp).payload(32), udp, absent, 0, 0, true},
        {"last fragment", v4().fragment(64, false).protocol(udp).payload(5), udp, absent, 0, 0, true},
        {"tiny first fragment", v4().fragment(0, true).protocol(tcp).payload(8), tcp, absent, 0, 0, true},
        {"tcp with half a header", v4().protocol(tcp).payload(19), tcp},
        {"no payload", v4().protocol(udp), udp},

        {"udp6", v6().udp(1000, 53).payload(20), udp, 40, 1000, 53},
        {"tcp6", v6().tcp(40000, 443), tcp, 40, 40000, 443},
        {"ping6", v6().echo_request(77, 1), icmpv6, 40, 77, 77},
        {"solicitation", v6().neighbor_solicitation(v6_b, station_a), icmpv6, 40},
        {"nothing", v6(), none},
        {"extensions",
         v6().extension(hop_by_hop).extension(routing, 2).extension(destination_options).udp(1, 2), udp,
         40 + 8 + 24 + 8, 1, 2},
        {"authenticated", v6().extension(authentication, 3).tcp(1, 2), tcp, 40 + 24, 1, 2},
        {"as many extensions as allowed", eight_extensions.udp(1, 2), udp, 40 + 8 + 7 * 16, 1, 2},
        {"first fragment6", v6().fragment(0, true).udp(1000, 53).payload(8), udp, 48, 1000, 53, true},
        {"later fragment6", v6().fragment(16, false).protocol(udp).payload(8), udp, absent, 0, 0, true},
        {"later fragment6 of extensions", v6().fragment(16, false).protocol(routing).payload(8), routing,
         absent, 0, 0, true},
        {"first fragment6 of what is one", v6().fragment(0, true).fragment(0, false).udp(1000, 53).payload(8),
         udp, 56, 1000, 53, true},
        {"atomic fragment6", v6().fragment(0, false).udp(1000, 53), udp, 48, 1000, 53},
    };
}

void check_against(const Expected& row, const Classified& what, std::uint16_t network) {
    const Bytes bytes = row.datagram.build();
    const bool is_v6 = bytes[0] >> 4U == 6;
    CHECK(what.is_ip());
    CHECK(what.network == network);
    CHECK(what.transport == (row.transport == Classified::absent ? row.transport : network + row.transport));
    CHECK(what.is_fragment == row.is_fragment);
    const bool is_later = row.name.starts_with("later") || row.name.starts_with("last");
    CHECK(what.is_later_fragment == is_later);
    CHECK(what.flow.ether_type == (is_v6 ? ether_type::ipv6 : ether_type::ipv4));
    CHECK(what.flow.source == (is_v6 ? v6_a : v4_a));
    CHECK(what.flow.destination == (is_v6 ? v6_b : v4_b));
    CHECK(what.flow.protocol == row.protocol);
    CHECK(what.flow.source_port == row.source_port);
    CHECK(what.flow.destination_port == row.destination_port);
}

// What every later stage relies on: the headers at the offsets are whole.
void require_sound(std::span<const std::uint8_t> bytes, const Classified& what) {
    if (!what.is_ip()) {
        REQUIRE(what.transport == Classified::absent);
        REQUIRE(what.flow.source == IpAddress{});
        return;
    }
    const bool is_v6 = what.flow.source.is_v6();
    REQUIRE(what.flow.destination.is_v6() == is_v6);
    REQUIRE(bytes.size() >= what.network + (is_v6 ? sizeof(Ipv6Header) : sizeof(Ipv4Header)));
    if (what.transport == Classified::absent) {
        REQUIRE(what.flow.source_port == 0);
        REQUIRE(what.flow.destination_port == 0);
        return;
    }
    REQUIRE(what.transport > what.network);
    const std::size_t left = bytes.size() - what.transport;
    REQUIRE(what.transport <= bytes.size());
    switch (what.flow.protocol) {
        case ip_protocol::tcp:
            REQUIRE(view<TcpHeader>(bytes, what.transport)->header_size() <= left);
            break;
        case ip_protocol::udp:
            REQUIRE(left >= sizeof(UdpHeader));
            break;
        default:
            REQUIRE(left >= sizeof(IcmpHeader));
            break;
    }
}

// Calls `visit` with every truncation of `valid` and with every byte of it changed in several ways, each in a
// buffer of exactly its size, so that the sanitizer sees a read too far.
void for_each_damage(const Bytes& valid, const std::function<void(std::span<const std::uint8_t>)>& visit) {
    for (std::size_t size = 0; size <= valid.size(); ++size) {
        const Bytes cut(valid.begin(), valid.begin() + static_cast<std::ptrdiff_t>(size));
        visit(cut);
    }
    for (std::size_t at = 0; at < valid.size(); ++at) {
        Bytes changed = valid;
        for (unsigned value = 0; value < 256; ++value) {
            changed[at] = static_cast<std::uint8_t>(value);
            visit(changed);
        }
    }
}

Bytes with_right_ipv4_checksum(Bytes datagram) {
    auto& header = *writable_view<Ipv4Header>(datagram);
    header.checksum = std::uint16_t{0};
    header.checksum = ipv4_header_checksum(std::span(datagram).first(header.header_size()));
    return datagram;
}

PacketBuilder framed(const Bytes& datagram) {
    const std::uint16_t type = datagram[0] >> 4U == 6 ? ether_type::ipv6 : ether_type::ipv4;
    return PacketBuilder().ethernet(station_b, station_a, type).payload(datagram);
}

}  // namespace

TEST_CASE("datagrams are classified by addresses, protocol and ports") {
    for (const Expected& row : valid_datagrams()) {
        CAPTURE(row.name);
        const auto what = classify_datagram(row.datagram.build());
        REQUIRE(what);
        CHECK(what->flow.source_mac.is_zero());
        check_against(row, *what, 0);
    }
}

TEST_CASE("frames are classified likewise, with their MAC addresses and VLAN") {
    for (const Expected& row : valid_datagrams()) {
        CAPTURE(row.name);
        const auto what = classify_frame(framed(row.datagram.build()).build(), VlanId{10});
        REQUIRE(what);
        CHECK(what->flow.source_mac == station_a);
        CHECK(what->flow.destination_mac == station_b);
        CHECK(what->flow.vlan == VlanId{10});
        check_against(row, *what, sizeof(EthernetHeader));
    }
}

TEST_CASE("a frame that is not IP has no network layer and is no error") {
    struct Row {
        std::string_view name;
        PacketBuilder frame;
        std::uint16_t type;
    };

    const PacketBuilder ethernet = PacketBuilder().ethernet(broadcast_mac, station_a);
    const Row rows[] = {
        {"ARP", PacketBuilder(ethernet).arp_request(station_a, v4_a, v4_b), ether_type::arp},
        {"unknown type", PacketBuilder(ethernet).payload(46), 0x88B5},
        {"nothing behind the header", PacketBuilder().ethernet(station_b, station_a, ether_type::ipv4),
         ether_type::ipv4},
        {"a second tag", PacketBuilder(ethernet).vlan(VlanId{5}).ip(v4_a, v4_b).udp(1, 2), ether_type::vlan},
        {"IPv6 under IPv4's type",
         PacketBuilder().ethernet(station_b, station_a, ether_type::ipv4).payload(v6().udp(1, 2).build()),
         ether_type::ipv4},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        const auto what = classify_frame(row.frame.build(), untagged);
        REQUIRE(what);
        CHECK_FALSE(what->is_ip());
        CHECK(what->transport == Classified::absent);
        CHECK(what->flow.ether_type == row.type);
        CHECK(what->flow.source == IpAddress{});
    }
    CHECK(classify_frame(Bytes(13), untagged).error() == Drop::truncated);
}

TEST_CASE("a bridge does not care about the IPv4 header checksum, a router does") {
    Bytes datagram = v4().udp(1, 2).build();
    datagram[11] ^= 1;
    CHECK(classify_frame(framed(datagram).build(), untagged)->is_ip());
    CHECK(classify_datagram(datagram).error() == Drop::bad_checksum);
}

TEST_CASE("malformed datagrams are dropped under the right name") {
    struct Row {
        std::string_view name;
        Bytes datagram;
        Drop reason;
    };

    const auto changed = [](Bytes bytes, std::size_t at, std::uint8_t value) {
        bytes[at] = value;
        return bytes[0] >> 4U == 4 && (bytes[0] & 15U) == 5 ? with_right_ipv4_checksum(bytes) : bytes;
    };
    const Bytes udp4 = v4().udp(1, 2).payload(4).build();
    const Bytes udp6 = v6().udp(1, 2).payload(4).build();
    PacketBuilder nine_extensions = v6();
    for (int i = 0; i < 9; ++i) nine_extensions.extension(ip_protocol::destination_options);
    const Row rows[] = {
        {"nothing", {}, Drop::truncated},
        {"version 5", changed(udp4, 0, 0x55), Drop::unknown_protocol},
        {"version 0", changed(udp4, 0, 0x05), Drop::unknown_protocol},
        {"IHL 4", changed(udp4, 0, 0x44), Drop::malformed},
        {"IHL beyond the total length", changed(udp4, 0, 0x4F), Drop::malformed},
        {"total length below the header", changed(udp4, 3, 19), Drop::malformed},
        {"total length beyond the end", changed(udp4, 3, 33), Drop::truncated},
        {"payload length beyond the end", changed(udp6, 5, 13), Drop::truncated},
        {"jumbogram", changed(v6().extension(ip_protocol::hop_by_hop).udp(1, 2).build(), 5, 0),
         Drop::truncated},
        {"extension beyond the payload",
         changed(v6().extension(ip_protocol::routing).udp(1, 2).build(), 41, 2), Drop::truncated},
        {"half an extension", changed(v6().extension(ip_protocol::routing).build(), 5, 7), Drop::truncated},
        {"hop-by-hop options in second place",
         v6().extension(ip_protocol::routing).extension(ip_protocol::hop_by_hop).udp(1, 2).build(),
         Drop::malformed},
        {"too many extensions", nine_extensions.udp(1, 2).build(), Drop::malformed},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        const auto what = classify_datagram(row.datagram);
        REQUIRE_FALSE(what);
        CHECK(what.error() == row.reason);
    }
}

TEST_CASE("padding behind the datagram is not taken for a transport header") {
    const Bytes datagram = v4().protocol(ip_protocol::udp).payload(7).pad_to(46).build();
    CHECK(classify_datagram(datagram)->transport == Classified::absent);
}

TEST_CASE("whatever is done to a valid packet, the offsets stay inside it") {
    for (const Expected& row : valid_datagrams()) {
        CAPTURE(row.name);
        for_each_damage(row.datagram.build(), [](std::span<const std::uint8_t> bytes) {
            if (const auto what = classify_datagram(bytes)) require_sound(bytes, *what);
        });
        for_each_damage(framed(row.datagram.build()).build(), [](std::span<const std::uint8_t> bytes) {
            const auto what = classify_frame(bytes, untagged);
            REQUIRE(what.has_value() == (bytes.size() >= sizeof(EthernetHeader)));
            if (what) require_sound(bytes, *what);
        });
    }
}

TEST_CASE("a datagram that was cut short is never accepted") {
    for (const Expected& row : valid_datagrams()) {
        CAPTURE(row.name);
        const Bytes valid = row.datagram.build();
        const bool is_v6 = valid[0] >> 4U == 6;
        const std::size_t size = is_v6 ? view<Ipv6Header>(valid)->payload_length + sizeof(Ipv6Header)
                                       : view<Ipv4Header>(valid)->total_length.value();
        for (std::size_t cut = 0; cut < size; ++cut) {
            const Bytes bytes(valid.begin(), valid.begin() + static_cast<std::ptrdiff_t>(cut));
            REQUIRE(classify_datagram(bytes).error() == Drop::truncated);
        }
    }
}

TEST_CASE("random bytes are classified soundly") {
    std::mt19937 random(791);
    for (int round = 0; round < 20000; ++round) {
        Bytes bytes(random() % 120);
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
        if (!bytes.empty()) bytes[0] = static_cast<std::uint8_t>(round % 2 == 0 ? 0x45 : 0x60);
        if (bytes.size() > 6 && round % 4 == 1) bytes[6] = 0;  // hop-by-hop options
        if (bytes.size() > 4) bytes[4] = 0;
        if (const auto what = classify_datagram(bytes)) require_sound(bytes, *what);
    }
}

TEST_CASE("equal flows have equal hashes, and each field counts") {
    const FlowKey flow = classify_frame(framed(v6().tcp(40000, 443).build()).build(), VlanId{7})->flow;
    const FlowKey same = flow;
    CHECK(hash(same) == hash(flow));

    std::vector<FlowKey> others(9, flow);
    others[0].destination_mac.octets[5] ^= 1;
    others[1].source_mac.octets[0] ^= 2;
    others[2].ether_type ^= 1;
    others[3].vlan = VlanId{8};
    others[4].source = v6_b;
    others[5].destination = ip("2001:db8:ffff::3");
    others[6].protocol = ip_protocol::udp;
    others[7].source_port ^= 1;
    std::swap(others[8].source_port, others[8].destination_port);
    std::set<std::uint32_t> hashes = {hash(flow)};
    for (const FlowKey& other : others) hashes.insert(hash(other));
    CHECK(hashes.size() == others.size() + 1);
}

TEST_CASE("the connections between two stations spread evenly") {
    FlowKey flow = classify_datagram(v4().tcp(0, 443).build())->flow;
    std::vector<int> low(64);
    std::vector<int> high(64);
    for (unsigned port = 0; port < 6400; ++port) {
        flow.source_port = static_cast<std::uint16_t>(port);
        ++low[hash(flow) % 64];
        ++high[hash(flow) >> 26U];
    }
    for (std::size_t i = 0; i < 64; ++i) {
        CHECK(std::abs(low[i] - 100) < 50);  // five standard deviations
        CHECK(std::abs(high[i] - 100) < 50);
    }
}
