// Which flows of a node may be carried past its datapath, and what becomes of those that are.
#include <algorithm>
#include <array>
#include <tuple>

#include <doctest/doctest.h>

#include "tests/support/carrier.h"
#include "tests/support/datagrams.h"
#include "tests/support/single_node.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr BridgeId lan{0};
constexpr PortId left{0};
constexpr PortId right{1};
constexpr PortId elsewhere{2};
constexpr PortId tunnel{3};
constexpr PeerId peer{0};
const MacAddress a = mac("02:00:00:00:00:0a");
const MacAddress b = mac("02:00:00:00:00:0b");

struct FlowNode : SingleNode {
    explicit FlowNode(const VlanFilter& vlans_left = VlanFilter::all(),
                      const VlanFilter& vlans_right = VlanFilter::all()) {
        topology().add_bridge(lan, {.vni = Vni{100}, .limits = {}});
        topology().add_frame_device(left, lan, vlans_left);
        topology().add_frame_device(right, lan, vlans_right);
        topology().add_frame_device(elsewhere, lan, VlanFilter::all());
        datapath.offload_to(&carrier, {});
    }

    ~FlowNode() { datapath.offload_to(nullptr, {}); }

    static Bytes frame(bool back, VlanId vlan = untagged) {
        PacketBuilder builder;
        builder.ethernet(back ? a : b, back ? b : a);
        if (vlan != untagged) builder.vlan(vlan);
        return builder.ip(back ? ip("10.0.0.2") : ip("10.0.0.1"), back ? ip("10.0.0.1") : ip("10.0.0.2"))
            .udp(back ? 53 : 1000, back ? 1000 : 53)
            .payload(32)
            .build();
    }

    // Enough of both directions.
    void talk(VlanId vlan_left = untagged, VlanId vlan_right = untagged) {
        for (int i = 0; i < 80; ++i) {
            from_port(left, frame(false, vlan_left));
            from_port(right, frame(true, vlan_right));
            (void)at(left);
            (void)at(right);
        }
    }

    // Of the flow that comes in there.
    [[nodiscard]] Datapath::CarriedSample sample(PortId in, const Bytes& bytes) const {
        for (const auto& [slot, flow] : carrier.flows)
            if (flow.in == in)
                return {
                    .slot = slot, .tag = flow.action.tag, .in = in, .out = flow.action.out, .bytes = bytes};
        FAIL("not carried");
        return {};
    }

    Carrier carrier;
};

}  // namespace

TEST_CASE("established flows between local ports are carried, untagged or in the same access VLAN") {
    FlowNode plain;
    plain.talk();
    CHECK(plain.carrier.flows.size() == 2);
    FlowNode access{VlanFilter::access(VlanId{10}), VlanFilter::access(VlanId{10})};
    access.talk();
    CHECK(access.carrier.flows.size() == 2);
}

TEST_CASE("what has a tag at either side stays, in both directions") {
    FlowNode mixed{VlanFilter::access(VlanId{10}), VlanFilter::trunk({VlanId{10}})};
    mixed.talk(untagged, VlanId{10});
    CHECK(mixed.datapath.snapshot(mixed.now).flow_table.flows == 2);
    CHECK(mixed.carrier.flows.empty());
    FlowNode tagged;
    tagged.talk(VlanId{20}, VlanId{20});
    CHECK(tagged.datapath.snapshot(tagged.now).flow_table.flows == 2);
    CHECK(tagged.carrier.flows.empty());
}

TEST_CASE("what comes from a peer with keys or goes to one stays") {
    FlowNode node;
    const Endpoint there{ip("192.0.2.2"), 4500};
    node.topology().add_peer(peer, tunnel, {.endpoint = there, .bridges = {lan}, .liveness = {}});
    node.datapath.install_manual(peer, {sa_keys(300), sa_keys(400), 1, 1000}, node.now);
    SaEnd far{400, 300};
    for (int i = 0; i < 80; ++i) {
        node.from_port(left, FlowNode::frame(false));
        node.from_underlay(Channel::esp, there, far.seal(in_vxlan(Vni{100}, FlowNode::frame(true)), 17));
        (void)node.at(left);
        (void)node.at(right);
        (void)node.at(elsewhere);
        (void)node.sent();
    }
    CHECK(node.datapath.snapshot(node.now).flow_table.flows == 2);
    CHECK(node.carrier.flows.empty());
}

TEST_CASE("what was carried counts for both ports, and keeps the sender's station from ageing") {
    FlowNode node;
    node.talk();
    const auto before = node.topology().port(left).traffic.rx_packets;
    for (int second = 0; second < 400; second += 2) {
        for (auto& [slot, totals] : node.carrier.totals) {
            totals.packets += 10;
            totals.bytes += 1000;
            totals.last_seen = node.now;
        }
        node.tick(2s);
    }
    CHECK(node.topology().port(left).traffic.rx_packets >= before + 1990);
    CHECK(node.topology().port(right).traffic.tx_packets >= before + 1990);
    CHECK(node.topology().bridge(lan).bridge.stations().size() == 2);
}

TEST_CASE("what was carried from a port that the station has left does not bring it back") {
    FlowNode node;
    node.talk();
    for (auto& [slot, totals] : node.carrier.totals)
        totals = {.packets = 5, .bytes = 500, .last_seen = node.now};
    node.from_port(elsewhere, FlowNode::frame(true));
    (void)node.at(left);
    node.tick(2s);
    CHECK(node.topology().bridge(lan).bridge.stations().lookup(untagged, b, node.now) == elsewhere);
}

TEST_CASE("a sample that went where the bridge says is right, any other takes its flow back") {
    FlowNode node;
    node.talk();
    const Bytes frame = FlowNode::frame(false);
    auto sample = node.sample(left, frame);
    CHECK(node.datapath.check(sample, node.now));
    CHECK(node.carrier.flows.size() == 2);
    SUBCASE("to another port") {
        sample.out = elsewhere;
        CHECK_FALSE(node.datapath.check(sample, node.now));
        CHECK(node.carrier.flows.size() == 1);
        CHECK(node.datapath.check(sample, node.now));  // it was taken back already
    }
    SUBCASE("another flow's packet") {
        const Bytes other = FlowNode::frame(true);
        sample.bytes = other;
        CHECK_FALSE(node.datapath.check(sample, node.now));
        CHECK(node.carrier.flows.size() == 1);
    }
    SUBCASE("of an action that is no more in force") {
        sample.out = elsewhere;
        sample.tag += 100;
        CHECK(node.datapath.check(sample, node.now));
        CHECK(node.carrier.flows.size() == 2);
    }
    SUBCASE("of a station that has moved since") {
        node.from_port(elsewhere, FlowNode::frame(true));
        CHECK(node.datapath.check(sample, node.now));
    }
}

TEST_CASE(
    "between a port and a plain peer flows are carried, with the bridge's VNI and a source port of VXLAN's") {
    FlowNode node;
    const Endpoint there{ip("192.0.2.2"), 4789};
    node.topology().add_peer(peer, tunnel,
                             {.encrypted = false, .endpoint = there, .bridges = {lan}, .liveness = {}});
    for (int i = 0; i < 80; ++i) {
        node.from_port(left, FlowNode::frame(false));
        node.from_underlay(Channel::vxlan, there, in_vxlan(Vni{100}, FlowNode::frame(true), false));
        (void)node.at(left);
        (void)node.sent();
    }
    REQUIRE(node.carrier.flows.size() == 2);
    for (const auto& [slot, flow] : node.carrier.flows) {
        const bool goes = flow.in == left;
        CHECK(flow.action.out == (goes ? tunnel : left));
        CHECK((goes ? flow.action.vni_out : flow.action.vni_in) == Vni{100});
        CHECK(flow.action.source_port >= 49152);
        CHECK_FALSE(flow.action.rewrite);
    }
    SUBCASE("a sample with another VNI is wrong") {
        const Bytes frame = FlowNode::frame(false);
        auto sample = node.sample(left, frame);
        sample.vni = Vni{100};
        CHECK(node.datapath.check(sample, node.now));
        sample.vni = Vni{101};
        CHECK_FALSE(node.datapath.check(sample, node.now));
    }
    SUBCASE("a peer that is reached elsewhere makes them miss") {
        const auto before = node.topology().generations().number(Generations::of(tunnel));
        node.datapath.set_endpoint(peer, {ip("192.0.2.3"), 4789});
        CHECK(node.topology().generations().number(Generations::of(tunnel)) != before);
    }
    SUBCASE("what comes from it keeps it alive") {
        for (auto& [slot, totals] : node.carrier.totals)
            totals = {.packets = 5, .bytes = 500, .last_seen = node.now};
        node.tick(2s);
        CHECK(node.datapath.snapshot(node.now).peers.front().last_heard < 3s);
    }
}

// ---- Routed ---------------------------------------------------------------------------------------

namespace {

constexpr BridgeId red{0};
constexpr BridgeId blue{1};
constexpr PortId at_red{0};
constexpr PortId at_blue{1};
constexpr PortId red_leg{2};
constexpr PortId blue_leg{3};
constexpr PortId tun{4};
constexpr PortId also_blue{5};
const MacAddress red_mac = mac("02:00:00:00:01:01");
const MacAddress blue_mac = mac("02:00:00:00:02:01");
const MacAddress c1_mac = mac("02:00:00:00:01:02");
const MacAddress c2_mac = mac("02:00:00:00:02:02");

// Two bridges with gateways, a station on each, and a TUN.
struct RoutedNode : SingleNode {
    RoutedNode() {
        topology().add_bridge(red, {.vni = std::nullopt, .limits = {}});
        topology().add_bridge(blue, {.vni = std::nullopt, .limits = {}});
        topology().add_frame_device(at_red, red, VlanFilter::all());
        topology().add_frame_device(at_blue, blue, VlanFilter::all());
        topology().add_leg(red_leg, red, {.mac = red_mac, .addresses = {prefix("10.1.0.1/24")}, .mtu = 1500});
        topology().add_leg(blue_leg, blue,
                           {.mac = blue_mac, .addresses = {prefix("10.2.0.1/24")}, .mtu = 1400});
        topology().add_datagram_device(tun, {prefix("10.9.0.1/24")}, 1500);
        topology().add_frame_device(also_blue, blue, VlanFilter::all());
        datapath.offload_to(&carrier, {});
    }

    ~RoutedNode() { datapath.offload_to(nullptr, {}); }

    static Bytes to_blue() {
        return PacketBuilder()
            .ethernet(red_mac, c1_mac)
            .ip(ip("10.1.0.2"), ip("10.2.0.2"))
            .udp(1000, 53)
            .payload(32)
            .build();
    }

    static Bytes to_red() {
        return PacketBuilder()
            .ethernet(blue_mac, c2_mac)
            .ip(ip("10.2.0.2"), ip("10.1.0.2"))
            .udp(53, 1000)
            .payload(32)
            .build();
    }

    // Both stations answer when they are asked.
    void answer_questions() {
        for (const auto& [port, station, address] :
             {std::tuple{at_red, c1_mac, "10.1.0.2"}, std::tuple{at_blue, c2_mac, "10.2.0.2"}}) {
            bool asked = false;
            for (const Bytes& bytes : at(port)) asked = asked || (bytes[12] == 0x08 && bytes[13] == 0x06);
            const bool is_red = port == at_red;
            if (asked)
                from_port(port, PacketBuilder()
                                    .ethernet(is_red ? red_mac : blue_mac, station)
                                    .arp_reply(station, ip(address), is_red ? red_mac : blue_mac,
                                               ip(is_red ? "10.1.0.1" : "10.2.0.1"))
                                    .build());
        }
    }

    void talk() {
        for (int i = 0; i < 100; ++i) {
            from_port(at_red, to_blue());
            answer_questions();
            from_port(at_blue, to_red());
            answer_questions();
            (void)at(also_blue);
        }
        (void)at(at_red);
        (void)at(at_blue);
    }

    [[nodiscard]] const Carrier::Carried* carried(PortId in) const {
        for (const auto& [slot, flow] : carrier.flows)
            if (flow.in == in && flow.action.rewrite) return &flow;
        return nullptr;
    }

    // Whether everything that the action depends on is as it was.
    [[nodiscard]] bool holds(const FlowOffload::Action& action) {
        return std::ranges::all_of(action.dependencies, [this](const FlowOffload::Dependency& on) {
            return topology().generations().number(on.generation) == on.value;
        });
    }

    Carrier carrier;
};

}  // namespace

TEST_CASE("a routed flow is carried from device to device, with the neighbor's address and the leg's") {
    RoutedNode node;
    node.talk();
    const auto* forth = node.carried(at_red);
    REQUIRE(forth != nullptr);
    CHECK(forth->key.destination_mac == red_mac);
    CHECK(forth->key.source_mac == c1_mac);
    CHECK(forth->action.out == at_blue);
    CHECK(forth->action.mtu == 1400);
    CHECK(forth->action.rewrite == FlowOffload::Rewrite{c2_mac, blue_mac});
    CHECK(node.holds(forth->action));
    const auto* back = node.carried(at_blue);
    REQUIRE(back != nullptr);
    CHECK(back->action.out == at_red);
    CHECK(back->action.mtu == 1500);
    CHECK(back->action.rewrite == FlowOffload::Rewrite{c1_mac, red_mac});
}

TEST_CASE("whatever a routed flow depends on makes it miss when it changes") {
    RoutedNode node;
    node.talk();
    const auto* flow = node.carried(at_red);
    REQUIRE(flow != nullptr);
    const auto action = flow->action;
    REQUIRE(node.holds(action));
    SUBCASE("a route") {
        node.topology().add_route({prefix("10.2.0.0/25"), tun, std::nullopt, Route::Origin::configured});
    }
    SUBCASE("a port of a bridge that goes") {
        node.datapath.remove_port(also_blue);
    }
    SUBCASE("a port of a bridge that comes") {
        node.topology().add_frame_device(PortId{9}, blue, VlanFilter::all());
    }
    SUBCASE("the leg's MTU") {
        node.topology().set_mtu(blue_leg, 1300);
    }
    SUBCASE("the receiver, that moves to another port") {
        node.from_port(also_blue, RoutedNode::to_red());
    }
    SUBCASE("the neighbor's MAC address") {
        const auto other = mac("02:00:00:00:02:99");
        node.from_port(at_blue, PacketBuilder()
                                    .ethernet(broadcast_mac, other)
                                    .arp_reply(other, ip("10.2.0.2"), other, ip("10.2.0.2"))
                                    .build());
    }
    SUBCASE("the neighbor, that does not answer any more") {
        // Carried or not, it is asked after when nothing was heard for long; here nobody answers.
        for (int second = 0; second < 60; ++second) {
            for (auto& [slot, totals] : node.carrier.totals) {
                totals.packets += 10;
                totals.bytes += 1000;
                totals.last_seen = node.now;
            }
            node.tick(1s);
        }
        unsigned questions = 0;
        for (const Bytes& bytes : node.at(at_blue))
            questions += bytes[12] == 0x08 && bytes[13] == 0x06 ? 1 : 0;
        CHECK(questions == 3);
    }
    CHECK_FALSE(node.holds(action));
}

TEST_CASE("a routed flow from and to a TUN has addresses on one side only") {
    RoutedNode node;
    const auto out = PacketBuilder().ip(ip("10.9.0.1"), ip("10.2.0.2")).udp(7, 8).payload(16).build();
    const auto in = PacketBuilder()
                        .ethernet(blue_mac, c2_mac)
                        .ip(ip("10.2.0.2"), ip("10.9.0.1"))
                        .udp(8, 7)
                        .payload(16)
                        .build();
    for (int i = 0; i < 100; ++i) {
        node.from_port(tun, out);
        node.answer_questions();
        node.from_port(at_blue, in);
        (void)node.at(tun);
    }
    const auto* forth = node.carried(tun);
    REQUIRE(forth != nullptr);
    CHECK(forth->key.source_mac.is_zero());
    CHECK(forth->action.out == at_blue);
    CHECK(forth->action.rewrite == FlowOffload::Rewrite{c2_mac, blue_mac});
    const auto* back = node.carried(at_blue);
    REQUIRE(back != nullptr);
    CHECK(back->action.out == tun);
    CHECK(back->action.rewrite == FlowOffload::Rewrite{});
}

TEST_CASE("what was routed past the datapath counts for devices and legs, and keeps the sender's station") {
    RoutedNode node;
    node.talk();
    const auto rx = [&](PortId port) { return node.topology().port(port).traffic.rx_packets; };
    const auto tx = [&](PortId port) { return node.topology().port(port).traffic.tx_packets; };
    const std::array before{rx(at_red), rx(red_leg), tx(blue_leg), tx(at_blue)};
    for (const auto& [slot, flow] : node.carrier.flows) {
        if (flow.in == at_red && flow.action.rewrite)
            node.carrier.totals[slot] = {.packets = 10, .bytes = 1000, .last_seen = node.now};
    }
    node.tick(2s);
    CHECK(rx(at_red) == before[0] + 10);
    CHECK(rx(red_leg) == before[1] + 10);
    CHECK(tx(blue_leg) == before[2] + 10);
    CHECK(tx(at_blue) == before[3] + 10);
    for (int second = 0; second < 400; second += 2) {
        for (auto& [slot, totals] : node.carrier.totals) {
            totals.packets += 10;
            totals.last_seen = node.now;
        }
        node.tick(2s);
        node.answer_questions();
    }
    CHECK(node.topology().bridge(red).bridge.stations().lookup(untagged, c1_mac, node.now) == at_red);
}

TEST_CASE("a sample of a routed packet is right if it went to the neighbor by its port, with its addresses") {
    RoutedNode node;
    node.talk();
    const auto bytes = PacketBuilder()
                           .ethernet(c2_mac, blue_mac)
                           .ip(ip("10.1.0.2"), ip("10.2.0.2"))
                           .ttl(63)
                           .udp(1000, 53)
                           .payload(32)
                           .build();
    const auto sample = [&](const Bytes& of) {
        for (const auto& [slot, flow] : node.carrier.flows)
            if (flow.in == at_red && flow.action.rewrite)
                return Datapath::CarriedSample{
                    .slot = slot, .tag = flow.action.tag, .in = at_red, .out = at_blue, .bytes = of};
        FAIL("not carried");
        return Datapath::CarriedSample{};
    };
    CHECK(node.datapath.check(sample(bytes), node.now));
    SUBCASE("another port") {
        auto wrong = sample(bytes);
        wrong.out = also_blue;
        CHECK_FALSE(node.datapath.check(wrong, node.now));
    }
    SUBCASE("other addresses") {
        const auto other = PacketBuilder()
                               .ethernet(c1_mac, blue_mac)
                               .ip(ip("10.1.0.2"), ip("10.2.0.2"))
                               .udp(1000, 53)
                               .payload(32)
                               .build();
        CHECK_FALSE(node.datapath.check(sample(other), node.now));
    }
    SUBCASE("another flow's packet") {
        const auto other = PacketBuilder()
                               .ethernet(c2_mac, blue_mac)
                               .ip(ip("10.1.0.2"), ip("10.2.0.2"))
                               .udp(1001, 53)
                               .payload(32)
                               .build();
        CHECK_FALSE(node.datapath.check(sample(other), node.now));
    }
}

TEST_CASE("the end of a routed connection takes both directions back") {
    RoutedNode node;
    const auto segment = [](bool back, std::uint8_t flags) {
        return PacketBuilder()
            .ethernet(back ? blue_mac : red_mac, back ? c2_mac : c1_mac)
            .ip(ip(back ? "10.2.0.2" : "10.1.0.2"), ip(back ? "10.1.0.2" : "10.2.0.2"))
            .tcp(back ? 80 : 1000, back ? 1000 : 80, flags)
            .payload(10)
            .build();
    };
    for (int i = 0; i < 100; ++i) {
        node.from_port(at_red, segment(false, TcpHeader::ack));
        node.answer_questions();
        node.from_port(at_blue, segment(true, TcpHeader::ack));
        node.answer_questions();
    }
    REQUIRE(node.carried(at_red) != nullptr);
    REQUIRE(node.carried(at_blue) != nullptr);
    node.from_port(at_red, segment(false, TcpHeader::ack | TcpHeader::fin));
    CHECK(node.carried(at_red) == nullptr);
    CHECK(node.carried(at_blue) == nullptr);
}
