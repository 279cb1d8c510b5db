#include "overlay/topology.h"

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr BridgeId lan{0};
constexpr BridgeId other{2};
constexpr PortId tap{0};
constexpr PortId leg{1};
constexpr PortId tun{2};
constexpr PortId tunnel{7};
constexpr PeerId peer{0};

struct Fixture {
    Fixture() {
        topology.add_bridge(lan, {.vni = Vni{100}, .limits = {}});
        topology.add_bridge(other, {.vni = std::nullopt, .limits = {}});
        topology.add_frame_device(tap, lan, {});
        topology.add_leg(
            leg, lan, {.mac = mac("02:00:00:00:00:01"), .addresses = {prefix("10.1.0.1/24")}, .mtu = 1500});
        topology.add_datagram_device(tun, {prefix("10.3.0.1/24")}, 1500);
        topology.add_peer(peer, tunnel,
                          {.bridges = {lan}, .prefixes = {prefix("10.4.0.0/16")}, .liveness = {}});
    }

    [[nodiscard]] const Route* route_to(const char* address) {
        return topology.router().routes().lookup(ip(address));
    }

    Topology topology;
};

}  // namespace

TEST_CASE("every port id has a slot, and those without a port are absent") {
    Fixture node;
    CHECK(node.topology.port(tap).kind == Port::Kind::frame_device);
    CHECK(node.topology.port(leg).kind == Port::Kind::leg);
    CHECK(node.topology.port(tun).kind == Port::Kind::datagram_device);
    CHECK(node.topology.port(tunnel).kind == Port::Kind::tunnel);
    for (const auto id : {PortId{3}, PortId{6}, PortId{8}, PortId{5000}, no_port})
        CHECK(node.topology.port(id).kind == Port::Kind::absent);
    for (std::uint16_t i = 0; i < node.topology.ports().size(); ++i)
        CHECK(node.topology.ports()[i].id == PortId{i});
}

TEST_CASE("devices, legs and peers are members of their bridges, tunnels in one horizon group") {
    Fixture node;
    const Bridge& bridge = node.topology.bridge(lan).bridge;
    CHECK(bridge.members().size() == 3);
    CHECK(bridge.member(tap)->horizon_group == BridgeMember::no_group);
    CHECK(bridge.member(tunnel)->horizon_group == BridgeMember::tunnel_group);
    CHECK(bridge.member(leg)->vlans.carries(untagged));
    CHECK_FALSE(bridge.member(leg)->vlans.carries(VlanId{1}));
    CHECK(bridge.member(tun) == nullptr);
    CHECK(node.topology.bridge(other).bridge.members().empty());
}

TEST_CASE("a bridge is found by its VNI, if it has one") {
    Fixture node;
    CHECK(node.topology.bridge_of(Vni{100})->id == lan);
    CHECK(node.topology.bridge_of(Vni{0}) == nullptr);
    CHECK(node.topology.bridge_of(Vni{101}) == nullptr);
    node.topology.remove_peer(peer);
    node.topology.remove_port(tap);
    node.topology.remove_port(leg);
    node.topology.remove_bridge(lan);
    CHECK(node.topology.bridge_of(Vni{100}) == nullptr);
}

TEST_CASE("ports and peers bring routes along and take them away") {
    Fixture node;
    CHECK(node.route_to("10.1.0.9")->out == leg);
    CHECK(node.route_to("10.3.0.9")->out == tun);
    CHECK(node.route_to("10.4.200.9")->out == tunnel);
    CHECK(node.route_to("10.4.200.9")->origin == Route::Origin::peer);
    node.topology.remove_port(leg);
    CHECK(node.route_to("10.1.0.9") == nullptr);
    node.topology.remove_port(tun);
    CHECK(node.route_to("10.3.0.9") == nullptr);
    node.topology.remove_peer(peer);
    CHECK(node.route_to("10.4.200.9") == nullptr);
    CHECK(node.topology.peers().find(peer) == nullptr);
}

TEST_CASE("what is removed leaves its bridges, and its slot is absent") {
    Fixture node;
    node.topology.remove_peer(peer);
    node.topology.remove_port(leg);
    node.topology.remove_port(tap);
    node.topology.remove_peer(peer);  // gone already
    CHECK(node.topology.bridge(lan).bridge.members().empty());
    for (const PortId id : {tap, leg, tunnel}) CHECK(node.topology.port(id).kind == Port::Kind::absent);
    CHECK(node.topology.port(leg).gateway == nullptr);
}

TEST_CASE("a port id that is used again begins with new counters") {
    Fixture node;
    node.topology.port(tap).traffic.rx_packets = 7;
    node.topology.port(tap).drops.add(Drop::no_route);
    node.topology.remove_port(tap);
    CHECK(node.topology.port(tap).traffic.rx_packets == 7);
    node.topology.add_datagram_device(tap, {}, 1500);
    CHECK(node.topology.port(tap).traffic.rx_packets == 0);
    CHECK(node.topology.port(tap).drops.total() == 0);
    CHECK(node.topology.bridge(lan).bridge.member(tap) == nullptr);
}

TEST_CASE("a configured route is added, replaced and removed") {
    Fixture node;
    node.topology.add_route({prefix("0.0.0.0/0"), tun});
    CHECK(node.route_to("8.8.8.8")->out == tun);
    node.topology.add_route({prefix("0.0.0.0/0"), tunnel});
    CHECK(node.route_to("8.8.8.8")->out == tunnel);
    node.topology.remove_route(prefix("0.0.0.0/0"));
    CHECK(node.route_to("8.8.8.8") == nullptr);
}

TEST_CASE("stations that were not heard for the ageing time are forgotten") {
    using namespace std::chrono_literals;
    Fixture node;
    const Instant start{1000s};
    FlowKey flow;
    flow.source_mac = mac("02:00:00:00:00:09");
    flow.destination_mac = broadcast_mac;
    Bridge& bridge = node.topology.bridge(lan).bridge;
    static_cast<void>(bridge.forward(flow, tap, start));
    CHECK(node.topology.snapshot(start + 10s).stations.at(0).age == 10s);
    node.topology.expire_stations(start + 300s);
    CHECK(bridge.stations().entries().size() == 1);
    node.topology.expire_stations(start + 301s);
    CHECK(bridge.stations().entries().empty());
}
