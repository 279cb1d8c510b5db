// A bridge that answers ARP and neighbor discovery for its stations: what it answers, and what it floods.
#include <doctest/doctest.h>

#include "tests/support/datagrams.h"
#include "tests/support/single_node.h"
#include "vswitch/neighbor_discovery.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr BridgeId lan{0};
constexpr PortId left{0};
constexpr PortId right{1};
constexpr PortId tunnel{2};
constexpr PortId leg{3};
constexpr PeerId peer{0};
constexpr Vni vni{100};

const Endpoint there{ip("192.0.2.2"), 4789};
const MacAddress a = mac("02:00:00:00:00:0a");
const MacAddress b = mac("02:00:00:00:00:0b");
const MacAddress far = mac("02:00:00:00:00:0f");
const MacAddress gateway = mac("02:00:00:00:00:fe");
const IpAddress ip_a = ip("10.0.0.10");
const IpAddress ip_b = ip("10.0.0.11");
const IpAddress ip_far = ip("10.0.0.15");
const IpAddress v6_a = ip("fd00::a");
const IpAddress v6_far = ip("fd00::f");

struct BindingNode : SingleNode {
    explicit BindingNode(const FrameDeviceOptions& options = {}, bool suppress = true) {
        topology().add_bridge(lan, {.vni = vni, .limits = {}, .arp_suppress = suppress});
        topology().add_leg(
            leg, lan,
            {.mac = gateway, .addresses = {prefix("10.0.0.1/24"), prefix("fd00::1/64")}, .mtu = 1500});
        topology().add_frame_device(left, lan, options);
        topology().add_frame_device(right, lan, options);
        topology().add_peer(peer, tunnel,
                            {.encrypted = false, .endpoint = there, .bridges = {lan}, .liveness = {}});
    }

    void from_peer(const Bytes& frame) { from_underlay(Channel::vxlan, there, in_vxlan(vni, frame, false)); }

    // What came out anywhere is forgotten.
    void quiet() {
        (void)at(left);
        (void)at(right);
        (void)sent();
    }

    // The far station has said who it is, over IPv4 and IPv6.
    void introduce_far(bool is_router = false) {
        from_peer(gratuitous(far, ip_far));
        Bytes advertisement =
            PacketBuilder().ethernet(a, far).ip(v6_far, v6_a).neighbor_advertisement(v6_far, far).build();
        const std::uint8_t flags = advertisement[14 + 40 + 4];
        advertisement[14 + 40 + 4] = is_router ? flags | 0x80U : flags & 0x7FU;
        repair(advertisement);
        from_peer(advertisement);
        quiet();
    }

    static void repair(Bytes& frame) {
        put16(frame, 56, 0);
        const auto* header = view<Ipv6Header>(frame, 14);
        put16(frame, 56,
              transport_checksum(IpAddress::v6(header->source), IpAddress::v6(header->destination), 58,
                                 std::span{frame}.subspan(54)));
    }

    static Bytes gratuitous(const MacAddress& station, const IpAddress& address) {
        return PacketBuilder()
            .ethernet(broadcast_mac, station)
            .arp_request(station, address, address)
            .build();
    }

    static Bytes request(const MacAddress& station, const IpAddress& sender, const IpAddress& target,
                         const MacAddress& to = broadcast_mac) {
        return PacketBuilder().ethernet(to, station).arp_request(station, sender, target).build();
    }

    static Bytes reply(const MacAddress& station, const IpAddress& sender, const MacAddress& to,
                       const IpAddress& target) {
        return PacketBuilder().ethernet(to, station).arp_reply(station, sender, to, target).build();
    }

    static Bytes solicitation(const IpAddress& target) {
        return PacketBuilder()
            .ethernet(multicast_mac(solicited_node(target)), a)
            .ip(v6_a, solicited_node(target))
            .neighbor_solicitation(target, a)
            .build();
    }

    void is_answered(const Bytes& question, const Bytes& answer) {
        from_port(left, question);
        CHECK(at(left) == Packets{answer});
        CHECK(at(right).empty());
        CHECK(sent().empty());
        CHECK(held() == 0);
        CHECK(all_drops() == 0);
    }

    void is_flooded(const Bytes& frame, std::size_t tunnels = 1) {
        from_port(left, frame);
        CHECK(at(left).empty());
        CHECK(at(right) == Packets{frame});
        CHECK(sent().size() == tunnels);
        quiet();
    }
};

}  // namespace

TEST_CASE("an ARP request for a known station behind a tunnel is answered here") {
    BindingNode node;
    node.introduce_far();
    node.is_answered(BindingNode::request(a, ip_a, ip_far), BindingNode::reply(far, ip_far, a, ip_a));
}

TEST_CASE("a bridge that does not suppress floods it") {
    BindingNode node({}, false);
    node.introduce_far();
    node.is_flooded(BindingNode::request(a, ip_a, ip_far));
}

TEST_CASE("a neighbor solicitation is answered by what the station has said, and overrides nothing") {
    for (const bool is_router : {false, true}) {
        BindingNode node;
        node.introduce_far(is_router);
        node.from_port(left, BindingNode::solicitation(v6_far));
        const Packets answers = node.at(left);
        REQUIRE(answers.size() == 1);
        CHECK(node.at(right).empty());
        CHECK(node.sent().empty());
        const auto what = classify_frame(answers[0], untagged);
        Packet packet = node.pool.take(answers[0]);
        const auto message = parse_neighbor_message(packet, *what);
        REQUIRE(message);
        REQUIRE(*message);
        CHECK(what->flow.source_mac == far);
        CHECK(what->flow.destination_mac == a);
        CHECK((*message)->source == v6_far);
        CHECK((*message)->destination == v6_a);
        CHECK((*message)->target == v6_far);
        CHECK((*message)->link_address == far);
        CHECK((*message)->solicited);
        CHECK((*message)->from_router == is_router);
        CHECK_FALSE((*message)->override_entry);
        CHECK_FALSE((*message)->is_solicitation);
    }
}

TEST_CASE("what nobody knows, probes and gratuitous ARP are flooded") {
    BindingNode node;
    node.introduce_far();
    node.is_flooded(BindingNode::request(a, ip_a, ip("10.0.0.99")));
    node.is_flooded(BindingNode::request(a, ip("0.0.0.0"), ip_far));
    node.is_flooded(BindingNode::gratuitous(a, ip_a));
    node.is_flooded(BindingNode::solicitation(ip("fd00::99")));
    const Bytes detection = PacketBuilder()
                                .ethernet(multicast_mac(solicited_node(v6_far)), a)
                                .ip(ip("::"), solicited_node(v6_far))
                                .ttl(255)
                                .icmp(135, 0)
                                .payload(v6_far.bytes())
                                .build();
    node.is_flooded(detection);
}

TEST_CASE("a unicast request asks the station itself") {
    BindingNode node;
    node.introduce_far();
    node.from_port(left, BindingNode::request(a, ip_a, ip_far, far));
    CHECK(node.at(left).empty());
    CHECK(node.sent().size() == 1);
}

TEST_CASE("what a peer asks is for the stations here to answer") {
    BindingNode node;
    node.from_port(left, BindingNode::gratuitous(a, ip_a));
    node.quiet();
    const Bytes question = BindingNode::request(far, ip_far, ip_a);
    node.from_peer(question);
    CHECK(node.at(left) == Packets{question});
    CHECK(node.sent().empty());
}

TEST_CASE("a station that was heard elsewhere since is asked where it is") {
    BindingNode node;
    node.introduce_far();
    node.from_port(right, PacketBuilder().ethernet(a, far).ip(ip_far, ip_a).udp(1, 2).build());
    node.quiet();
    node.is_flooded(BindingNode::request(a, ip_a, ip_far));
    node.from_port(right, BindingNode::gratuitous(far, ip_far));
    node.quiet();
    node.is_answered(BindingNode::request(a, ip_a, ip_far), BindingNode::reply(far, ip_far, a, ip_a));
}

TEST_CASE("an address that another station has taken over is that one's") {
    BindingNode node;
    node.introduce_far();
    node.from_peer(BindingNode::gratuitous(b, ip_far));
    node.quiet();
    node.is_answered(BindingNode::request(a, ip_a, ip_far), BindingNode::reply(b, ip_far, a, ip_a));
}

TEST_CASE("a station that is silent for too long, or whose peer is gone, is asked for") {
    BindingNode node;
    node.introduce_far();
    SUBCASE("silent") {
        node.tick(301s);
        node.is_flooded(BindingNode::request(a, ip_a, ip_far));
    }
    SUBCASE("gone") {
        node.topology().remove_peer(peer);
        node.is_flooded(BindingNode::request(a, ip_a, ip_far), 0);
    }
}

TEST_CASE("who asks for the gateway is answered by it alone") {
    BindingNode node;
    node.from_port(left, BindingNode::request(a, ip_a, ip("10.0.0.1")));
    const Packets answers = node.at(left);
    REQUIRE_FALSE(answers.empty());
    CHECK(answers[0] == BindingNode::reply(gateway, ip("10.0.0.1"), a, ip_a));
    CHECK(node.at(right).empty());
    CHECK(node.sent().empty());
    node.from_port(left, BindingNode::solicitation(ip("fd00::1")));
    CHECK_FALSE(node.at(left).empty());
    CHECK(node.sent().empty());
}

TEST_CASE("nobody takes the gateway's address in others' eyes") {
    BindingNode node;
    node.from_port(right, BindingNode::gratuitous(b, ip("10.0.0.1")));
    node.quiet();
    node.from_port(left, BindingNode::request(a, ip_a, ip("10.0.0.1")));
    const Packets answers = node.at(left);
    REQUIRE_FALSE(answers.empty());
    CHECK(answers[0] == BindingNode::reply(gateway, ip("10.0.0.1"), a, ip_a));
}

TEST_CASE("the addresses of guarded ports are known before they speak, and not to isolated ones") {
    for (const bool isolated : {false, true}) {
        BindingNode node;
        node.datapath.remove_port(left);
        node.datapath.remove_port(right);
        node.topology().add_frame_device(left, lan, {.isolated = isolated});
        node.topology().add_frame_device(right, lan, {.isolated = isolated, .guard = PortGuard{b, {ip_b}}});
        const Bytes question = BindingNode::request(a, ip_a, ip_b);
        if (!isolated) {
            node.is_answered(question, BindingNode::reply(b, ip_b, a, ip_a));
            continue;
        }
        node.from_port(left, question);
        CHECK(node.at(left).empty());
        CHECK(node.at(right).empty());
        CHECK(node.sent().size() == 1);
    }
}

TEST_CASE("an answer has the tag that its question had, or none at an access port") {
    const auto question = [](bool tagged) {
        PacketBuilder builder;
        builder.ethernet(broadcast_mac, a);
        if (tagged) builder.vlan(VlanId{10});
        return builder.arp_request(a, ip_a, ip_far).build();
    };
    const auto tagged_answer =
        PacketBuilder().ethernet(a, far).vlan(VlanId{10}).arp_reply(far, ip_far, a, ip_a).build();
    const Bytes hello = PacketBuilder()
                            .ethernet(broadcast_mac, far)
                            .vlan(VlanId{10})
                            .arp_request(far, ip_far, ip_far)
                            .build();
    BindingNode trunk({.vlans = VlanFilter::trunk({VlanId{10}})});
    trunk.from_peer(hello);
    trunk.quiet();
    trunk.is_answered(question(true), tagged_answer);
    BindingNode access({.vlans = VlanFilter::access(VlanId{10})});
    access.from_peer(hello);
    access.quiet();
    access.is_answered(question(false), BindingNode::reply(far, ip_far, a, ip_a));
    BindingNode all;
    all.from_peer(hello);
    all.quiet();
    all.is_flooded(question(false));  // another VLAN
}

TEST_CASE("ARP whose sender is not who sends it teaches nothing") {
    BindingNode node;
    node.introduce_far();
    node.from_port(right, PacketBuilder().ethernet(broadcast_mac, b).arp_request(a, ip_far, ip_a).build());
    node.quiet();
    node.is_answered(BindingNode::request(a, ip_a, ip_far), BindingNode::reply(far, ip_far, a, ip_a));
}
