// Which flows of a node may be carried past its datapath, and what becomes of those that are.
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
        topology().add_frame_device(left, lan, {.vlans = vlans_left});
        topology().add_frame_device(right, lan, {.vlans = vlans_right});
        topology().add_frame_device(elsewhere, lan, {});
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

    [[nodiscard]] const Carrier::Carried& carried_from(PortId in) const {
        const auto* found = carrier.from(in);
        REQUIRE(found != nullptr);
        return *found;
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

TEST_CASE("flows of a peer without keys are carried with the bridge's VNI and a source port of RFC 7348's") {
    FlowNode node;
    const Endpoint there{ip("192.0.2.2"), 4789};
    node.topology().add_peer(peer, tunnel,
                             {.encrypted = false, .endpoint = there, .bridges = {lan}, .liveness = {}});
    const auto talk = [&] {
        for (int i = 0; i < 80; ++i) {
            node.from_port(left, FlowNode::frame(false));
            node.from_underlay(Channel::vxlan, there, in_vxlan(Vni{100}, FlowNode::frame(true), false));
            (void)node.at(left);
            (void)node.sent();
        }
    };
    talk();
    REQUIRE(node.carrier.flows.size() == 2);
    const auto& to_peer = node.carried_from(left);
    CHECK(to_peer.key == classify_frame(FlowNode::frame(false), untagged)->flow);
    CHECK(to_peer.action.out == tunnel);
    CHECK(to_peer.action.vni_out == Vni{100});
    CHECK(to_peer.action.source_port >= 49152);
    CHECK_FALSE(to_peer.action.rewrite);
    const auto& from_peer = node.carried_from(tunnel);
    CHECK(from_peer.key == classify_frame(FlowNode::frame(true), untagged)->flow);
    CHECK(from_peer.action.out == left);
    CHECK(from_peer.action.vni_in == Vni{100});
    CHECK(node.carrier.holds(node.topology().generations()));
    SUBCASE("until it is reached another way, and then anew") {
        node.datapath.set_endpoint(peer, {ip("192.0.2.3"), 4789});
        CHECK_FALSE(node.carrier.holds(node.topology().generations(), left));
        CHECK_FALSE(node.carrier.holds(node.topology().generations(), tunnel));
        node.datapath.set_endpoint(peer, there);
        talk();
        CHECK(node.carrier.flows.size() == 2);
        CHECK(node.carrier.holds(node.topology().generations()));
    }
    SUBCASE("until the peer is removed") {
        node.topology().remove_peer(peer);
        CHECK_FALSE(node.carrier.holds(node.topology().generations(), left));
        CHECK_FALSE(node.carrier.holds(node.topology().generations(), tunnel));
    }
    SUBCASE("and a sample with another VNI takes its flow back") {
        const Bytes frame = FlowNode::frame(true);
        auto sample = node.sample(tunnel, frame);
        sample.vni = Vni{100};
        CHECK(node.datapath.check(sample, node.now));
        sample.vni = Vni{101};
        CHECK_FALSE(node.datapath.check(sample, node.now));
        CHECK(node.carrier.flows.size() == 1);
    }
    SUBCASE("and what was carried keeps the peer heard from") {
        for (int second = 0; second < 60; second += 2) {
            for (auto& [slot, totals] : node.carrier.totals) {
                totals.packets += 10;
                totals.last_seen = node.now;
            }
            node.tick(2s);
        }
        const auto heard = node.datapath.snapshot(node.now).peers.at(0).last_heard;
        REQUIRE(heard);
        CHECK(*heard <= 4s);
    }
}

TEST_CASE("flows of a bridge without tunnels have no VNI") {
    FlowNode node;
    node.topology().add_bridge(BridgeId{1}, {});
    node.topology().add_frame_device(PortId{8}, BridgeId{1}, {});
    node.topology().add_frame_device(PortId{9}, BridgeId{1}, {});
    for (int i = 0; i < 80; ++i) {
        node.from_port(PortId{8}, FlowNode::frame(false));
        node.from_port(PortId{9}, FlowNode::frame(true));
    }
    REQUIRE(node.carrier.flows.size() == 2);
    CHECK_FALSE(node.carried_from(PortId{8}).action.vni_in);
    CHECK_FALSE(node.carried_from(PortId{8}).action.vni_out);
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

TEST_CASE(
    "a station that is heard of by what is carried alone is announced to the other workers, as one that "
    "talks is") {
    FlowNode node;
    node.datapath.announce_learned();
    node.talk();
    node.events<StationLearned>();
    std::size_t announced = 0;
    for (int second = 0; second < 600; second += 2) {
        for (auto& [slot, totals] : node.carrier.totals) {
            totals.packets += 10;
            totals.last_seen = node.now;
        }
        node.tick(2s);
        announced += node.events<StationLearned>().size();
    }
    CHECK(announced >= 2 * 7);  // in each quarter of the ageing time, 300 s
    CHECK(announced <= 2 * 8);
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
