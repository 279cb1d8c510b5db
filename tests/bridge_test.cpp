#include "vswitch/bridge.h"

#include <vector>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"

using namespace weft;
using namespace std::chrono_literals;
using test::mac;

namespace {

constexpr PortId port_1{1};
constexpr PortId port_2{2};
constexpr PortId leg{3};
constexpr PortId tunnel_a{10};
constexpr PortId tunnel_b{11};

const MacAddress station_a = mac("02:00:00:00:00:0a");
const MacAddress station_b = mac("02:00:00:00:00:0b");

Instant at(Duration since_start) {
    return Instant{} + since_start;
}

FlowKey flow(const MacAddress& source, const MacAddress& destination, VlanId vlan = untagged) {
    FlowKey key;
    key.source_mac = source;
    key.destination_mac = destination;
    key.vlan = vlan;
    return key;
}

Bridge two_ports_and_two_tunnels() {
    Bridge bridge{MacTable::Limits{}};
    bridge.add_member({.port = port_1});
    bridge.add_member({.port = port_2});
    bridge.add_member({.port = tunnel_a, .horizon_group = BridgeMember::tunnel_group});
    bridge.add_member({.port = tunnel_b, .horizon_group = BridgeMember::tunnel_group});
    return bridge;
}

// Lets the bridge see a broadcast of `station` on `port`.
void introduce(Bridge& bridge, const MacAddress& station, PortId port, VlanId vlan = untagged,
               Instant now = at(0s)) {
    REQUIRE(bridge.forward(flow(station, broadcast_mac, vlan), port, now).action == Verdict::Action::flood);
}

std::vector<PortId> flooded(const Bridge& bridge, PortId in, VlanId vlan = untagged) {
    std::vector<PortId> ports;
    for (const BridgeMember& member : bridge.members()) {
        if (bridge.floods_to(member, in, vlan)) ports.push_back(member.port);
    }
    return ports;
}

void check_drop(const Verdict& verdict, Drop reason) {
    REQUIRE(verdict.action == Verdict::Action::drop);
    CHECK(verdict.reason == reason);
}

void check_forward(const Verdict& verdict, PortId out) {
    REQUIRE(verdict.action == Verdict::Action::forward);
    CHECK(verdict.out == out);
}

}  // namespace

TEST_CASE("an unknown destination is flooded, and its answer is not") {
    Bridge bridge = two_ports_and_two_tunnels();
    CHECK(bridge.forward(flow(station_a, station_b), port_1, at(0s)).action == Verdict::Action::flood);
    check_forward(bridge.forward(flow(station_b, station_a), port_2, at(0s)), port_1);
    check_forward(bridge.forward(flow(station_a, station_b), port_1, at(0s)), port_2);
}

TEST_CASE("the address of a member is nobody else's to learn, and needs no learning") {
    const MacAddress gateway = mac("02:00:00:00:00:fe");
    Bridge bridge = two_ports_and_two_tunnels();
    bridge.add_member({.port = leg, .vlans = VlanFilter::access(untagged), .address = gateway});
    check_forward(bridge.forward(flow(station_a, gateway), port_1, at(0s)), leg);

    // Another node's gateway may have the same address: its frames pass.
    CHECK(bridge.forward(flow(gateway, broadcast_mac), tunnel_a, at(0s)).action == Verdict::Action::flood);
    check_forward(bridge.forward(flow(gateway, station_a), tunnel_a, at(0s)), port_1);
    check_forward(bridge.forward(flow(station_a, gateway), port_1, at(0s)), leg);
    check_forward(bridge.forward(flow(station_b, gateway), tunnel_b, at(0s)), leg);
    check_drop(bridge.forward(flow(gateway, gateway), leg, at(0s)), Drop::same_port);

    // In a VLAN that the leg does not carry it is an address like any other.
    introduce(bridge, gateway, port_2, VlanId{10});
    check_forward(bridge.forward(flow(station_a, gateway, VlanId{10}), port_1, at(0s)), port_2);
    check_forward(bridge.forward(flow(station_a, gateway), port_1, at(0s)), leg);
}

TEST_CASE("broadcast and multicast are flooded") {
    Bridge bridge = two_ports_and_two_tunnels();
    for (const MacAddress& group : {broadcast_mac, mac("33:33:00:00:00:01"), mac("01:00:5e:00:00:fb")}) {
        CHECK(bridge.forward(flow(station_a, group), port_1, at(0s)).action == Verdict::Action::flood);
    }
}

TEST_CASE("a flood goes to every other member, but not from tunnel to tunnel") {
    const Bridge bridge = two_ports_and_two_tunnels();
    CHECK(flooded(bridge, port_1) == std::vector{port_2, tunnel_a, tunnel_b});
    CHECK(flooded(bridge, tunnel_a) == std::vector{port_1, port_2});
    CHECK(flooded(bridge, PortId{99}).empty());
}

TEST_CASE("a flood goes only where the VLAN is carried") {
    Bridge bridge{MacTable::Limits{}};
    bridge.add_member({.port = port_1, .vlans = VlanFilter::access(VlanId{10})});
    bridge.add_member({.port = port_2, .vlans = VlanFilter::trunk({VlanId{10}, VlanId{20}})});
    bridge.add_member({.port = tunnel_a});
    CHECK(flooded(bridge, tunnel_a, VlanId{10}) == std::vector{port_1, port_2});
    CHECK(flooded(bridge, tunnel_a, VlanId{20}) == std::vector{port_2});
    CHECK(flooded(bridge, tunnel_a, untagged).empty());
    CHECK(flooded(bridge, port_1, VlanId{10}) == std::vector{port_2, tunnel_a});
}

TEST_CASE("a moved station is relearned on its new port, also between a tunnel and a local port") {
    Bridge bridge = two_ports_and_two_tunnels();
    introduce(bridge, station_b, port_2);
    for (const PortId port : {port_1, tunnel_a, tunnel_b, port_1}) {
        introduce(bridge, station_a, port);
        check_forward(bridge.forward(flow(station_b, station_a), port_2, at(0s)), port);
    }
}

TEST_CASE("a frame for a station on the port that it came from is dropped") {
    Bridge bridge = two_ports_and_two_tunnels();
    introduce(bridge, station_a, port_1);
    check_drop(bridge.forward(flow(station_b, station_a), port_1, at(0s)), Drop::same_port);
}

TEST_CASE("a frame from one tunnel to a station behind another is dropped") {
    Bridge bridge = two_ports_and_two_tunnels();
    introduce(bridge, station_a, tunnel_a);
    check_drop(bridge.forward(flow(station_b, station_a), tunnel_b, at(0s)), Drop::split_horizon);
    check_forward(bridge.forward(flow(station_b, station_a), port_1, at(0s)), tunnel_a);
}

TEST_CASE("isolated members hear everybody but one another") {
    Bridge bridge = two_ports_and_two_tunnels();
    const PortId port_3{4};
    bridge.add_member({.port = port_1, .horizon_group = BridgeMember::isolated_group});
    bridge.add_member({.port = port_3, .horizon_group = BridgeMember::isolated_group});
    bridge.add_member({.port = leg, .address = mac("02:00:00:00:00:fe")});
    CHECK(flooded(bridge, port_1) == std::vector{port_2, tunnel_a, tunnel_b, leg});
    CHECK(flooded(bridge, port_2) == std::vector{port_1, tunnel_a, tunnel_b, port_3, leg});
    CHECK(flooded(bridge, tunnel_a) == std::vector{port_1, port_2, port_3, leg});
    introduce(bridge, station_a, port_3);
    check_drop(bridge.forward(flow(station_b, station_a), port_1, at(0s)), Drop::isolated);
    check_drop(bridge.would_forward(flow(station_b, station_a), port_1, at(0s)), Drop::isolated);
    check_forward(bridge.forward(flow(station_b, station_a), port_2, at(0s)), port_3);
    check_forward(bridge.forward(flow(station_b, station_a), tunnel_a, at(0s)), port_3);
    check_forward(bridge.forward(flow(station_b, mac("02:00:00:00:00:fe")), port_1, at(0s)), leg);
}

TEST_CASE("a group or zero source address is refused and not learned") {
    Bridge bridge = two_ports_and_two_tunnels();
    for (const MacAddress& source : {broadcast_mac, mac("03:00:00:00:00:01"), MacAddress{}}) {
        check_drop(bridge.forward(flow(source, station_b), port_1, at(0s)), Drop::source_is_group);
    }
    CHECK(bridge.stations().size() == 0);
}

TEST_CASE("link-local frames stay on their link") {
    Bridge bridge = two_ports_and_two_tunnels();
    for (unsigned last = 0; last < 16; ++last) {
        const MacAddress destination{{0x01, 0x80, 0xC2, 0, 0, static_cast<std::uint8_t>(last)}};
        check_drop(bridge.forward(flow(station_a, destination), port_1, at(0s)), Drop::link_local_filtered);
    }
    CHECK(bridge.forward(flow(station_a, mac("01:80:c2:00:00:10")), port_1, at(0s)).action ==
          Verdict::Action::flood);
}

TEST_CASE("a frame from a port that is no member is dropped and teaches nothing") {
    Bridge bridge = two_ports_and_two_tunnels();
    check_drop(bridge.forward(flow(station_a, station_b), PortId{5}, at(0s)), Drop::no_member);
    check_drop(bridge.forward(flow(station_a, station_b), PortId{999}, at(0s)), Drop::no_member);
    CHECK(bridge.stations().size() == 0);
}

TEST_CASE("the destination's port must carry the VLAN") {
    Bridge bridge{MacTable::Limits{}};
    bridge.add_member({.port = port_1});
    bridge.add_member({.port = port_2});
    introduce(bridge, station_a, port_1, VlanId{10});
    check_forward(bridge.forward(flow(station_b, station_a, VlanId{10}), port_2, at(0s)), port_1);

    bridge.add_member({.port = port_1, .vlans = VlanFilter::access(VlanId{20})});
    check_drop(bridge.forward(flow(station_b, station_a, VlanId{10}), port_2, at(0s)),
               Drop::vlan_not_allowed);
}

TEST_CASE("the same address in two VLANs is two stations") {
    Bridge bridge = two_ports_and_two_tunnels();
    introduce(bridge, station_a, port_1, VlanId{10});
    introduce(bridge, station_a, tunnel_a, VlanId{20});
    check_forward(bridge.forward(flow(station_b, station_a, VlanId{10}), port_2, at(0s)), port_1);
    check_forward(bridge.forward(flow(station_b, station_a, VlanId{20}), port_2, at(0s)), tunnel_a);
    CHECK(bridge.forward(flow(station_b, station_a), port_2, at(0s)).action == Verdict::Action::flood);
}

TEST_CASE("an aged station is flooded to again") {
    Bridge bridge = two_ports_and_two_tunnels();
    introduce(bridge, station_a, port_1);
    check_forward(bridge.forward(flow(station_b, station_a), port_2, at(300s)), port_1);
    CHECK(bridge.forward(flow(station_b, station_a), port_2, at(301s)).action == Verdict::Action::flood);
    bridge.expire(at(301s));
    CHECK(bridge.stations().size() == 1);
}

TEST_CASE("a removed member is forgotten with its stations, the others stay") {
    Bridge bridge = two_ports_and_two_tunnels();
    introduce(bridge, station_a, port_1);
    introduce(bridge, station_b, tunnel_b);
    bridge.remove_member(port_1);
    bridge.remove_member(port_1);
    bridge.remove_member(PortId{999});

    CHECK(bridge.member(port_1) == nullptr);
    CHECK(bridge.members().size() == 3);
    for (const PortId port : {port_2, tunnel_a, tunnel_b}) {
        REQUIRE(bridge.member(port) != nullptr);
        CHECK(bridge.member(port)->port == port);
    }
    CHECK(bridge.forward(flow(station_b, station_a), tunnel_b, at(0s)).action == Verdict::Action::flood);
    check_forward(bridge.forward(flow(mac("02:00:00:00:00:0c"), station_b), port_2, at(0s)), tunnel_b);

    bridge.add_member({.port = port_1});
    CHECK(flooded(bridge, port_2) == std::vector{tunnel_a, tunnel_b, port_1});
}

TEST_CASE("a station that another worker has seen is forwarded to as if it had been seen here") {
    Bridge bridge = two_ports_and_two_tunnels();
    bridge.learn(untagged, station_a, port_1, at(0s));
    const Verdict verdict = bridge.forward(flow(station_b, station_a), port_2, at(0s));
    CHECK(verdict.action == Verdict::Action::forward);
    CHECK(verdict.out == port_1);
    CHECK(verdict.learned);
    CHECK_FALSE(bridge.forward(flow(station_b, station_a), port_2, at(0s)).learned);
    CHECK_FALSE(bridge.forward(flow(station_a, station_b), port_1, at(0s)).learned);
}

TEST_CASE("what another worker says of a port that is gone, or of the gateway, teaches nothing") {
    Bridge bridge = two_ports_and_two_tunnels();
    const MacAddress own = mac("02:00:00:00:00:0f");
    bridge.add_member({.port = leg, .address = own});
    bridge.remove_member(port_2);
    bridge.learn(untagged, station_a, port_2, at(0s));
    bridge.learn(untagged, own, port_1, at(0s));
    CHECK(bridge.stations().size() == 0);
}
