// Datagrams through one node: between bridges by way of their gateways, from and to a TUN, and what ICMP says
// of those that do not get there.
#include <doctest/doctest.h>

#include "tests/support/datagrams.h"
#include "tests/support/single_node.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr BridgeId red{0};
constexpr BridgeId blue{1};
constexpr PortId red_tap{0};
constexpr PortId blue_tap{1};
constexpr PortId red_leg{2};
constexpr PortId blue_leg{3};
constexpr PortId tun{4};
constexpr PortId tunnel{5};
constexpr PeerId peer{0};

const Endpoint there = Endpoint{ip("192.0.2.2"), 4500};

const MacAddress red_gateway = mac("02:00:00:00:ff:01");
const MacAddress blue_gateway = mac("02:00:00:00:ff:02");
const MacAddress red_host = mac("02:00:00:00:01:02");
const MacAddress blue_host = mac("02:00:00:00:02:02");

const IpAddress red_address = ip("10.1.0.2");
const IpAddress blue_address = ip("10.2.0.2");
const IpAddress red_router = ip("10.1.0.1");
const IpAddress blue_router = ip("10.2.0.1");
const IpAddress tun_host = ip("10.3.0.2");

// Two bridges with a gateway each, a TUN and a peer, all routed.
struct RouterNode : SingleNode {
    explicit RouterNode(std::uint16_t tun_mtu = 1500, std::uint16_t peer_mtu = 1438) {
        topology().add_bridge(red, {.vni = Vni{1}, .limits = {}});
        topology().add_bridge(blue, {.vni = Vni{2}, .limits = {}});
        topology().add_frame_device(red_tap, red, {});
        topology().add_frame_device(blue_tap, blue, {});
        topology().add_leg(red_leg, red,
                           {.mac = red_gateway,
                            .addresses = {prefix("10.1.0.1/24"), prefix("2001:db8:1::1/64")},
                            .mtu = 1500});
        topology().add_leg(blue_leg, blue,
                           {.mac = blue_gateway,
                            .addresses = {prefix("10.2.0.1/24"), prefix("2001:db8:2::1/64")},
                            .mtu = 1500});
        topology().add_datagram_device(tun, {prefix("10.3.0.1/24")}, tun_mtu);
        topology().add_peer(peer, tunnel,
                            {.endpoint = there,
                             .bridges = {red},
                             .prefixes = {prefix("10.4.0.0/24")},
                             .routed_mtu = peer_mtu,
                             .liveness = {}});
        datapath.install_manual(peer, {sa_keys(300), sa_keys(400), 1, 1000}, now);
    }

    // The router asks, and the host on the blue bridge answers.
    void answer_for_blue() {
        from_port(blue_tap, PacketBuilder()
                                .ethernet(blue_gateway, blue_host)
                                .arp_reply(blue_host, blue_address, blue_gateway, blue_router)
                                .build());
    }

    SaEnd far{400, 300};
};

Bytes red_to_blue(std::size_t payload = 20, std::uint8_t hops = 64) {
    return ip_frame(red_gateway, red_host, udp_datagram(red_address, blue_address, payload, hops));
}

// Of an ICMP error (IPv4, no options): type and code.
std::pair<int, int> icmp_of(const Bytes& datagram) {
    if (datagram.size() < 28 || datagram[9] != 1) return {-1, -1};
    return {datagram[20], datagram[21]};
}

Bytes without_ethernet(const Bytes& frame) {
    return {frame.begin() + 14, frame.end()};
}

}  // namespace

TEST_CASE("the gateway answers ARP for its address and no other") {
    RouterNode node;
    node.from_port(red_tap, PacketBuilder()
                                .ethernet(broadcast_mac, red_host)
                                .arp_request(red_host, red_address, red_router)
                                .build());
    CHECK(node.at(red_tap) == Packets{PacketBuilder()
                                          .ethernet(red_host, red_gateway)
                                          .arp_reply(red_gateway, red_router, red_host, red_address)
                                          .build()});
    node.from_port(red_tap, PacketBuilder()
                                .ethernet(broadcast_mac, red_host)
                                .arp_request(red_host, red_address, ip("10.1.0.77"))
                                .build());
    CHECK(node.at(red_tap).empty());
    CHECK(node.held() == 0);
}

TEST_CASE("the gateway answers a neighbor solicitation") {
    RouterNode node;
    const IpAddress router = ip("2001:db8:1::1");
    node.from_port(red_tap, PacketBuilder()
                                .ethernet(mac("33:33:ff:00:00:01"), red_host)
                                .ip(ip("2001:db8:1::2"), ip("ff02::1:ff00:1"))
                                .neighbor_solicitation(router, red_host)
                                .build());
    const auto answers = node.at(red_tap);
    REQUIRE(answers.size() == 1);
    CHECK(answers[0][54] == 136);
    CHECK(std::equal(red_host.octets.begin(), red_host.octets.end(), answers[0].begin()));
}

TEST_CASE("a ping of the gateway comes back, from the bridge and from the other one") {
    for (const auto& target : {red_router, blue_router}) {
        RouterNode node;
        node.from_port(red_tap, PacketBuilder()
                                    .ethernet(broadcast_mac, red_host)
                                    .arp_request(red_host, red_address, red_router)
                                    .build());
        node.at(red_tap);
        node.from_port(red_tap, ip_frame(red_gateway, red_host, ping(red_address, target)));
        auto frames = node.at(red_tap);
        REQUIRE(frames.size() >= 1);
        const Bytes& reply = frames.back();
        CHECK(std::equal(red_host.octets.begin(), red_host.octets.end(), reply.begin()));
        CHECK(icmp_of(without_ethernet(reply)) == std::pair{0, 0});
        CHECK(naive_checksum(std::span(reply).subspan(34)) == 0);
        CHECK(node.held() == 0);
    }
}

TEST_CASE("a datagram to the other bridge waits for ARP and then goes out in a frame of the router's") {
    RouterNode node;
    node.from_port(red_tap, red_to_blue());
    auto out = node.at(blue_tap);
    REQUIRE(out.size() == 1);
    CHECK(out[0] == PacketBuilder()
                        .ethernet(broadcast_mac, blue_gateway)
                        .arp_request(blue_gateway, blue_router, blue_address)
                        .build());
    CHECK(node.held() == 1);

    node.answer_for_blue();
    out = node.at(blue_tap);
    REQUIRE(out.size() == 1);
    CHECK(out[0] == ip_frame(blue_host, blue_gateway, udp_datagram(red_address, blue_address, 20, 63)));
    CHECK(node.held() == 0);
    CHECK(node.all_drops() == 0);

    node.from_port(red_tap, red_to_blue(30));
    CHECK(node.at(blue_tap).size() == 1);
    CHECK(node.at(red_tap).empty());
}

TEST_CASE("an IPv6 datagram to the other bridge is resolved by neighbor discovery") {
    RouterNode node;
    const IpAddress from = ip("2001:db8:1::2");
    const IpAddress to = ip("2001:db8:2::2");
    node.from_port(red_tap, ip_frame(red_gateway, red_host, udp_datagram(from, to, 20)));
    const auto asked = node.at(blue_tap);
    REQUIRE(asked.size() == 1);
    CHECK(asked[0][54] == 135);
    node.from_port(blue_tap, PacketBuilder()
                                 .ethernet(blue_gateway, blue_host)
                                 .ip(to, ip("2001:db8:2::1"))
                                 .neighbor_advertisement(to, blue_host)
                                 .build());
    CHECK(node.at(blue_tap) == Packets{ip_frame(blue_host, blue_gateway, udp_datagram(from, to, 20, 63))});
}

TEST_CASE("when nobody answers ARP the sender is told that the host is unreachable") {
    RouterNode node;
    node.from_port(red_tap, PacketBuilder()
                                .ethernet(broadcast_mac, red_host)
                                .arp_request(red_host, red_address, red_router)
                                .build());
    node.at(red_tap);
    node.from_port(red_tap, red_to_blue());
    int asked = 0;
    for (int second = 0; second < 5; ++second) {
        asked += static_cast<int>(node.at(blue_tap).size());
        node.tick(1s);
    }
    CHECK(asked == 3);
    const auto told = node.at(red_tap);
    bool unreachable = false;
    for (const Bytes& frame : told) unreachable |= icmp_of(without_ethernet(frame)) == std::pair{3, 1};
    CHECK(unreachable);
    CHECK(node.drops(blue_leg, Drop::neighbor_unresolved) == 1);
    CHECK(node.all_drops() == 1);
    CHECK(node.held() == 0);
}

TEST_CASE("more datagrams than may wait for ARP are counted where they came in") {
    RouterNode node;
    for (int i = 0; i < 7; ++i) node.from_port(tun, udp_datagram(tun_host, blue_address, 10));
    CHECK(node.drops(tun, Drop::neighbor_queue_full) == 3);
    CHECK(node.held() == 4);
    node.answer_for_blue();
    CHECK(node.at(blue_tap).size() == 1 + 4);  // the request, and what waited
    CHECK(node.held() == 0);
}

TEST_CASE("a tagged frame never reaches the router") {
    RouterNode node;
    node.from_port(red_tap, PacketBuilder()
                                .ethernet(red_gateway, red_host)
                                .vlan(VlanId{10})
                                .ip(red_address, blue_address)
                                .udp(1, 2)
                                .build());
    CHECK(node.topology().port(red_leg).traffic.rx_packets == 0);
    CHECK(node.at(blue_tap).empty());

    node.answer_for_blue();  // the gateway's address is learned when it speaks
    node.from_port(red_tap, PacketBuilder()
                                .ethernet(broadcast_mac, red_host)
                                .vlan(VlanId{10})
                                .arp_request(red_host, red_address, red_router)
                                .build());
    CHECK(node.at(red_tap).empty());
}

TEST_CASE("what a gateway cannot use is counted at its leg") {
    RouterNode node;
    Bytes short_arp = PacketBuilder()
                          .ethernet(broadcast_mac, red_host)
                          .arp_request(red_host, red_address, red_router)
                          .build();
    short_arp.resize(30);
    node.from_port(red_tap, short_arp);
    CHECK(node.drops(red_leg, Drop::truncated) == 1);
    node.from_port(red_tap, frame(red_gateway, red_host, 0x88B5, Bytes(46, 1)));
    CHECK(node.drops(red_leg, Drop::unknown_protocol) == 1);
    Bytes bad_checksum = red_to_blue();
    bad_checksum[24] ^= 1U;
    node.from_port(red_tap, bad_checksum);
    CHECK(node.drops(red_leg, Drop::bad_checksum) == 1);
    CHECK(node.at(blue_tap).empty());
    CHECK(node.held() == 0);
}

TEST_CASE("a bridge's frames from a peer reach the gateway, and its answers go back over the tunnel") {
    RouterNode node;
    const MacAddress far_host = mac("02:00:00:00:09:09");
    const Bytes request = PacketBuilder()
                              .ethernet(broadcast_mac, far_host)
                              .arp_request(far_host, ip("10.1.0.9"), red_router)
                              .build();
    node.from_underlay(Channel::esp, there, node.far.seal(in_vxlan(Vni{1}, request), 17));
    const auto sent = node.sent();
    REQUIRE(sent.size() == 1);
    const auto opened = node.far.open(sent[0].bytes);
    CHECK(Bytes(opened.payload.begin() + 16, opened.payload.end()) ==
          PacketBuilder()
              .ethernet(far_host, red_gateway)
              .arp_reply(red_gateway, red_router, far_host, ip("10.1.0.9"))
              .build());
    CHECK(node.at(red_tap) == Packets{request});  // it was a broadcast
}

TEST_CASE("a host of ours may not send in a peer's name, neither from a TUN nor from a bridge") {
    RouterNode node;
    const IpAddress of_peer = ip("10.4.0.9");
    node.from_port(tun, udp_datagram(of_peer, red_address, 9));
    CHECK(node.drops(tun, Drop::foreign_source) == 1);
    node.from_port(red_tap, ip_frame(red_gateway, red_host, udp_datagram(of_peer, tun_host, 9)));
    CHECK(node.drops(red_tap, Drop::foreign_source) == 1);
    CHECK(node.at(tun).empty());
    CHECK(node.all_drops() == 2);
    // What is routed to nobody may come from anywhere: there may be a network behind a host.
    node.from_port(red_tap, ip_frame(red_gateway, red_host, udp_datagram(ip("10.99.0.1"), tun_host, 9)));
    CHECK(node.at(tun).size() == 1);
}

TEST_CASE("a peer's frames to the gateway may not carry datagrams in another peer's name") {
    RouterNode node;
    node.topology().add_peer(PeerId{1}, PortId{6},
                             {.endpoint = there, .prefixes = {prefix("10.6.0.0/24")}, .liveness = {}});
    const MacAddress far_host = mac("02:00:00:00:09:09");
    const auto from_peer = [&](const IpAddress& source) {
        const Bytes frame = ip_frame(red_gateway, far_host, udp_datagram(source, tun_host, 9));
        node.from_underlay(Channel::esp, there, node.far.seal(in_vxlan(Vni{1}, frame), 17));
    };
    from_peer(ip("10.6.0.1"));
    CHECK(node.drops(tunnel, Drop::foreign_source) == 1);
    CHECK(node.at(tun).empty());
    for (const auto& source : {ip("10.4.0.1"), ip("10.1.0.9")}) from_peer(source);
    CHECK(node.at(tun).size() == 2);
    CHECK(node.all_drops() == 1);
}

TEST_CASE("a TUN's datagrams go to where their routes lead, and ICMP tells of the others") {
    struct Case {
        Bytes datagram;
        Drop drop;
        std::pair<int, int> icmp;
    };

    const Case cases[] = {
        {udp_datagram(tun_host, ip("10.99.0.1"), 1), Drop::no_route, {3, 0}},
        {udp_datagram(tun_host, ip("10.4.0.1"), 1, 1), Drop::ttl_exceeded, {11, 0}},
        {udp_datagram(tun_host, red_router, 1), Drop::not_for_us, {3, 3}},
        {datagram(tun_host, red_router, 200, Bytes(8, 0)), Drop::not_for_us, {3, 2}},
        {udp_datagram(tun_host, ip("224.0.0.5"), 1), Drop::not_forwardable, {-1, -1}},
        {udp_datagram(tun_host, ip("10.3.0.9"), 1), Drop::same_port, {-1, -1}},
        {Bytes{}, Drop::truncated, {-1, -1}},
        {Bytes(19, 0x45), Drop::truncated, {-1, -1}},
        {Bytes(20, 0x95), Drop::unknown_protocol, {-1, -1}},
    };
    for (const auto& [datagram, drop, icmp] : cases) {
        CAPTURE(to_string(drop));
        RouterNode node;
        node.from_port(tun, datagram);
        CHECK(node.drops(tun, drop) == 1);
        CHECK(node.all_drops() == 1);
        const auto answers = node.at(tun);
        REQUIRE(answers.size() == (icmp.first < 0 ? 0 : 1));
        if (!answers.empty()) CHECK(icmp_of(answers[0]) == icmp);
        CHECK(node.sent().empty());
        CHECK(node.held() == 0);
    }
}

TEST_CASE("a datagram larger than the way is fragmented, or its sender told how large it may be") {
    constexpr std::uint16_t mtu = 600;
    RouterNode node(1500, mtu);
    const Bytes large = udp_datagram(tun_host, ip("10.4.0.2"), 1400);
    node.from_port(tun, large);
    const auto sent = node.sent();
    REQUIRE(sent.size() == 3);
    Bytes payload;
    for (const Sent& each : sent) {
        const auto opened = node.far.open(each.bytes);
        CHECK(opened.next_header == 4);
        CHECK(opened.payload.size() <= mtu);
        CHECK(naive_checksum(std::span(opened.payload).first(20)) == 0);
        CHECK((get16(opened.payload, 6) & 0x1FFFU) * 8 == payload.size());
        CHECK(((get16(opened.payload, 6) & 0x2000U) != 0) == (&each != &sent.back()));
        payload.insert(payload.end(), opened.payload.begin() + 20, opened.payload.end());
    }
    CHECK(payload == Bytes(large.begin() + 20, large.end()));
    CHECK(node.all_drops() == 0);

    node.from_port(
        tun, PacketBuilder().ip(tun_host, ip("10.4.0.2")).dont_fragment().udp(1, 2).payload(1400).build());
    CHECK(node.drops(tun, Drop::too_big) == 1);
    auto answers = node.at(tun);
    REQUIRE(answers.size() == 1);
    CHECK(icmp_of(answers[0]) == std::pair{3, 4});
    CHECK(get16(answers[0], 26) == mtu);
    CHECK(node.sent().empty());
    CHECK(node.held() == 0);
}

TEST_CASE("fragments that find no buffers are one drop of the whole") {
    RouterNode node(1500, 600);
    std::vector<Packet> hoard;
    while (node.pool.available() > 2) hoard.push_back(node.pool.take());
    node.from_port(tun, udp_datagram(tun_host, ip("10.4.0.2"), 1400));
    CHECK(node.drops(tun, Drop::no_buffer) == 1);
    CHECK(node.sent().empty());
    CHECK(node.held() == hoard.size());
}

TEST_CASE("fragments to a bridge each wait for the gateway and arrive in order") {
    RouterNode node;
    node.topology().remove_port(blue_leg);
    node.topology().add_leg(blue_leg, blue,
                            {.mac = blue_gateway, .addresses = {prefix("10.2.0.1/24")}, .mtu = 600});
    node.from_port(tun, udp_datagram(tun_host, blue_address, 1400));
    CHECK(node.at(blue_tap).size() == 1);
    node.answer_for_blue();
    const auto frames = node.at(blue_tap);
    REQUIRE(frames.size() == 3);
    unsigned last = 0;
    for (const Bytes& frame : frames) {
        CHECK(frame.size() <= 614);
        const unsigned offset = get16(frame, 20) & 0x1FFFU;
        CHECK((&frame == &frames.front() ? offset == 0 : offset > last));
        last = offset;
    }
    CHECK(node.held() == 0);
}

TEST_CASE("the route of a port that is gone leads nowhere") {
    RouterNode node;
    node.topology().add_route({prefix("10.50.0.0/16"), blue_leg, blue_address});
    node.topology().remove_port(blue_leg);
    node.from_port(tun, udp_datagram(tun_host, ip("10.50.0.1"), 1));
    CHECK(node.drops(tun, Drop::no_route) == 1);
    node.topology().remove_peer(peer);
    node.from_port(tun, udp_datagram(tun_host, ip("10.4.0.1"), 1));
    CHECK(node.drops(tun, Drop::no_route) == 2);
}

TEST_CASE("a snapshot shows ports, peers, stations, neighbors, routes and what is left of the pool") {
    RouterNode node;
    node.from_port(red_tap, red_to_blue());
    const Snapshot shown = node.datapath.snapshot(node.now);
    CHECK(shown.ports.size() == 6);
    REQUIRE(shown.peers.size() == 1);
    CHECK(shown.peers[0].cipher == Cipher::aes_128_gcm);
    CHECK(shown.stations.size() == 1);  // the red host; a gateway's own address is not learned
    REQUIRE(shown.neighbors.size() == 1);
    CHECK(shown.neighbors[0].address == blue_address);
    CHECK_FALSE(shown.neighbors[0].reachable);
    CHECK(shown.routes.size() == 6);
    CHECK(shown.pool_size == node.pool.size());
    CHECK(shown.pool_available == node.pool.size() - 1);
}
