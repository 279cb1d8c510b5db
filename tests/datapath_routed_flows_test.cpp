// Which routed flows of a node may be carried past its datapath, what they depend on, and what becomes of
// those that are.
#include <functional>

#include <doctest/doctest.h>

#include "tests/support/carrier.h"
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
constexpr PortId red_other{6};
constexpr PortId blue_other{7};
constexpr PeerId peer{0};
const Endpoint there{ip("192.0.2.2"), 4789};
const MacAddress red_gateway = mac("02:00:00:00:ff:01");
const MacAddress blue_gateway = mac("02:00:00:00:ff:02");

// Who talks, and where its packets come in.
struct Host {
    PortId port;
    PortId router;  // the router's port
    IpAddress address;
    MacAddress mac{};
    MacAddress gateway{};
    IpAddress gateway_address{};
    std::optional<Vni> vni{};

    [[nodiscard]] bool has_frames() const { return port != tun; }
};

const Host red_host{red_tap, red_leg, ip("10.1.0.2"), mac("02:00:00:00:01:02"), red_gateway, ip("10.1.0.1")};
const Host blue_host{blue_tap,     blue_leg,      ip("10.2.0.2"), mac("02:00:00:00:02:02"),
                     blue_gateway, ip("10.2.0.1")};
const Host blue6_host{blue_tap,     blue_leg,           ip("2001:db8:2::2"), mac("02:00:00:00:02:02"),
                      blue_gateway, ip("2001:db8:2::1")};
const Host red6_host{
    red_tap, red_leg, ip("2001:db8:1::2"), mac("02:00:00:00:01:02"), red_gateway, ip("2001:db8:1::1")};
const Host far_host{tunnel,       blue_leg,       ip("10.2.0.9"), mac("02:00:00:00:02:09"),
                    blue_gateway, ip("10.2.0.1"), Vni{2}};
const Host tun_host{tun, tun, ip("10.3.0.2")};

struct RoutedNode : SingleNode {
    explicit RoutedNode(bool encrypted = false) {
        topology().add_bridge(red, {.vni = Vni{1}, .limits = {}});
        topology().add_bridge(blue, {.vni = Vni{2}, .limits = {}});
        topology().add_frame_device(red_tap, red, {});
        topology().add_frame_device(red_other, red, {});
        topology().add_frame_device(blue_tap, blue, {});
        topology().add_frame_device(blue_other, blue, {});
        topology().add_leg(red_leg, red,
                           {.mac = red_gateway,
                            .addresses = {prefix("10.1.0.1/24"), prefix("2001:db8:1::1/64")},
                            .mtu = 1500});
        topology().add_leg(blue_leg, blue,
                           {.mac = blue_gateway,
                            .addresses = {prefix("10.2.0.1/24"), prefix("2001:db8:2::1/64")},
                            .mtu = 1400});
        topology().add_datagram_device(tun, {prefix("10.3.0.1/24")}, 1300);
        topology().add_peer(
            peer, tunnel,
            {.encrypted = encrypted, .endpoint = there, .bridges = {red, blue}, .liveness = {}});
        if (encrypted) datapath.install_manual(peer, {sa_keys(300), sa_keys(400), 1, 10000}, now);
        datapath.offload_to(&carrier, {});
    }

    ~RoutedNode() { datapath.offload_to(nullptr, {}); }

    // A frame, or a TUN's datagram.
    void put_in(const Host& by, const Bytes& packet) { put_in(by.port, packet); }

    void put_in(PortId by, const Bytes& packet) {
        if (by != tunnel) return from_port(by, packet);
        if (!far_keys) return from_underlay(Channel::vxlan, there, in_vxlan(Vni{2}, packet, false));
        from_underlay(Channel::esp, there, far_keys->seal(in_vxlan(Vni{2}, packet), 17));
    }

    static PacketBuilder to_gateway(const Host& from) {
        PacketBuilder builder;
        if (from.has_frames()) builder.ethernet(from.gateway, from.mac);
        return builder;
    }

    static Bytes udp(const Host& from, const Host& to) {
        const bool asks = from.address < to.address;
        return to_gateway(from)
            .ip(from.address, to.address)
            .udp(asks ? 1000 : 53, asks ? 53 : 1000)
            .payload(32)
            .build();
    }

    static Bytes tcp(const Host& from, const Host& to, std::uint8_t flags) {
        const bool asks = from.address < to.address;
        return to_gateway(from)
            .ip(from.address, to.address)
            .tcp(asks ? 1000 : 80, asks ? 80 : 1000, flags)
            .payload(32)
            .build();
    }

    // Confirmed, if it was asked for, else only learned.
    void tell_address(const Host& host, const MacAddress& mac) {
        if (!host.has_frames()) return;
        PacketBuilder builder;
        if (host.address.is_v6()) {
            builder.ethernet(host.gateway, mac)
                .ip(host.address, host.gateway_address)
                .neighbor_advertisement(host.address, mac);
        } else {
            builder.ethernet(host.gateway, mac)
                .arp_reply(mac, host.address, host.gateway, host.gateway_address);
        }
        put_in(host, builder.build());
    }

    void forget_output() {
        for (const PortId port : {red_tap, red_other, blue_tap, blue_other, tun}) (void)at(port);
        (void)sent();
    }

    // Resolved first: the datagrams that ask for it are not of the flow.
    void meet(const Host& one, const Host& other) {
        for (const auto& [from, to] : {std::pair{one, other}, std::pair{other, one}}) {
            put_in(from, to_gateway(from).ip(from.address, to.address).udp(9, 9).build());
            tell_address(to, to.mac);
        }
        forget_output();
    }

    void talk(const Host& one, const Host& other, int times = 80) {
        for (int i = 0; i < times; ++i) {
            put_in(one, udp(one, other));
            put_in(other, udp(other, one));
            forget_output();
        }
    }

    void converse(const Host& one, const Host& other) {
        meet(one, other);
        talk(one, other);
    }

    [[nodiscard]] bool holds(const Host& from) { return carrier.holds(topology().generations(), from.port); }

    [[nodiscard]] const FlowOffload::Action& action_of(const Host& from) const {
        const auto* found = carrier.from(from.port);
        REQUIRE(found != nullptr);
        return found->action;
    }

    // As if the kernel had carried so many packets of each flow.
    void carry(std::uint64_t packets, std::uint64_t bytes) {
        for (auto& [slot, flow] : carrier.flows) {
            auto& totals = carrier.totals[slot];
            totals.packets += packets;
            totals.bytes += bytes;
            totals.last_seen = now;
        }
    }

    // A carried packet of the flow, as it went out.
    [[nodiscard]] Datapath::CarriedSample sample(const Host& from, const Bytes& bytes, bool is_frame) const {
        for (const auto& [slot, flow] : carrier.flows) {
            if (flow.in != from.port) continue;
            return {.slot = slot,
                    .tag = flow.action.tag,
                    .in = from.port,
                    .out = flow.action.out,
                    .is_frame = is_frame,
                    .bytes = bytes};
        }
        FAIL("not carried");
        return {};
    }

    std::optional<SaEnd> far_keys;
    Carrier carrier;
};

Bytes without_ethernet(const Bytes& frame) {
    return {frame.begin() + 14, frame.end()};
}

// The flow from here to there is carried as its packets went.
void check_carried(RoutedNode& node, const Host& from, const Host& to, std::uint16_t mtu) {
    const auto* carried = node.carrier.from(from.port);
    REQUIRE(carried != nullptr);
    const Bytes packet = RoutedNode::udp(from, to);
    CHECK(carried->key ==
          (from.has_frames() ? classify_frame(packet, untagged)->flow : classify_datagram(packet)->flow));
    const FlowOffload::Action& action = carried->action;
    CHECK(action.kind == FlowOffload::Action::Kind::to_port);
    CHECK(action.out == to.port);
    CHECK(action.mtu == mtu);
    REQUIRE(action.rewrite);
    CHECK(*action.rewrite == FlowOffload::Rewrite{to.mac, to.gateway});
    if (from.vni) CHECK(action.vni_in == from.vni);
    if (to.vni) CHECK(action.vni_out == to.vni);
    if (to.vni) CHECK(action.source_port >= 49152);
    for (const auto on : {Generations::of(from.port), Generations::policy, Generations::of(to.router),
                          Generations::of(to.port)}) {
        CHECK(node.holds(from));
        node.topology().generations().raise(on);
        CHECK_FALSE(node.holds(from));
        node.talk(from, to, 16);
    }
}

}  // namespace

TEST_CASE("a routed flow is carried whole: from leg to leg, to a TUN and from it, from and to a plain peer") {
    struct Case {
        Host one;
        Host other;
        std::uint16_t mtu_to_one = 0;
        std::uint16_t mtu_to_other = 0;
    };

    for (const auto& [one, other, mtu_to_one, mtu_to_other] :
         {Case{red_host, blue_host, 1500, 1400}, Case{red6_host, blue6_host, 1500, 1400},
          Case{red_host, tun_host, 1500, 1300}, Case{red_host, far_host, 1500, 1400},
          Case{tun_host, far_host, 1300, 1400}}) {
        CAPTURE(one.address.to_string());
        CAPTURE(other.address.to_string());
        RoutedNode node;
        node.converse(one, other);
        CHECK(node.carrier.flows.size() == 2);
        check_carried(node, one, other, mtu_to_other);
        check_carried(node, other, one, mtu_to_one);
        CHECK(node.all_drops() == 0);
    }
}

TEST_CASE("what is routed to a peer with keys or from it stays") {
    RoutedNode node{true};
    node.far_keys.emplace(400, 300);
    node.converse(red_host, far_host);
    CHECK(node.datapath.snapshot(node.now).flow_table.flows >= 2);
    CHECK(node.carrier.flows.empty());
}

TEST_CASE("a flow that is not answered, or whose datagrams go in fragments, stays") {
    RoutedNode node;
    node.meet(red_host, blue_host);
    for (int i = 0; i < 100; ++i) node.put_in(red_host, RoutedNode::udp(red_host, blue_host));
    CHECK(node.carrier.flows.empty());
    const auto large = [](const Host& from, const Host& to) {
        return RoutedNode::to_gateway(from).ip(from.address, to.address).udp(7, 7).payload(1450).build();
    };
    for (int i = 0; i < 100; ++i) {
        node.put_in(red_host, large(red_host, blue_host));
        node.put_in(blue_host, large(blue_host, red_host));
    }
    CHECK(node.carrier.from(red_tap) == nullptr);
}

TEST_CASE("whatever changes its way voids a routed flow") {
    struct Change {
        const char* what;
        Host one;
        Host other;
        std::function<void(RoutedNode&)> make;
    };

    const auto speaks_from = [](PortId port, const Host& host) {
        return [=](RoutedNode& node) {
            node.put_in(port, PacketBuilder()
                                  .ethernet(broadcast_mac, host.mac)
                                  .arp_request(host.mac, host.address, ip("10.99.0.1"))
                                  .build());
        };
    };
    const auto topology = [](auto&& change) { return [=](RoutedNode& node) { change(node.topology()); }; };
    const std::vector<Change> changes{
        {"a route is added", red_host, blue_host,
         topology([](Topology& t) { t.add_route({prefix("10.2.0.2/32"), tun}); })},
        {"a route is removed", red_host, tun_host,
         topology([](Topology& t) { t.remove_route(prefix("10.3.0.0/24")); })},
        {"a peer is added", red_host, blue_host, topology([](Topology& t) {
             t.add_peer(PeerId{1}, PortId{9}, {.prefixes = {prefix("10.1.0.2/32")}, .liveness = {}});
         })},
        {"a peer's prefixes now have the sender", red_host, blue_host, topology([](Topology& t) {
             t.change_peer(peer, {.bridges = {red, blue}, .prefixes = {}},
                           {.bridges = {red, blue}, .prefixes = {prefix("10.1.0.2/32")}});
         })},
        {"the peer is removed", red_host, far_host, topology([](Topology& t) { t.remove_peer(peer); })},
        {"the peer is elsewhere", red_host, far_host,
         [](RoutedNode& node) { node.datapath.set_endpoint(peer, {ip("192.0.2.3"), 4789}); }},
        {"the neighbor has another address", red_host, blue_host,
         [](RoutedNode& node) { node.tell_address(blue_host, mac("02:00:00:00:02:77")); }},
        {"the IPv6 neighbor has another address", red6_host, blue6_host,
         [](RoutedNode& node) { node.tell_address(blue6_host, mac("02:00:00:00:02:77")); }},
        {"the neighbor is given up", red_host, blue_host,
         [](RoutedNode& node) {
             node.tick(31s);
             for (int i = 0; i < 4; ++i) {
                 node.put_in(red_host, RoutedNode::udp(red_host, blue_host));
                 node.tick(1s);
             }
         }},
        {"the sender has moved", red_host, blue_host, speaks_from(red_other, red_host)},
        {"the neighbor has moved", red_host, blue_host, speaks_from(blue_other, blue_host)},
        {"the neighbor has moved from the peer to here", red_host, far_host,
         speaks_from(blue_other, far_host)},
        {"the sender has moved to the peer", blue_host, red_host, speaks_from(tunnel, blue_host)},
        {"the sender's station has aged", red_host, blue_host,
         [](RoutedNode& node) {
             node.tick(299s);
             node.tick(2s);
         }},
        {"the port where it comes in is removed", red_host, blue_host,
         [](RoutedNode& node) { node.datapath.remove_port(red_tap); }},
        {"the port where it goes out is removed", red_host, blue_host,
         [](RoutedNode& node) { node.datapath.remove_port(blue_tap); }},
        {"the leg where it comes in is removed", red_host, blue_host,
         [](RoutedNode& node) { node.datapath.remove_port(red_leg); }},
        {"the leg where it goes out is removed", red_host, blue_host,
         [](RoutedNode& node) { node.datapath.remove_port(blue_leg); }},
        {"the TUN where it goes out is removed", red_host, tun_host,
         [](RoutedNode& node) { node.datapath.remove_port(tun); }},
        {"the leg's MTU is set", red_host, blue_host,
         topology([](Topology& t) { t.set_mtu(blue_leg, 1280); })},
        {"the TUN's MTU is set", red_host, tun_host, topology([](Topology& t) { t.set_mtu(tun, 1280); })},
        {"a member is added to the first bridge", red_host, blue_host,
         topology([](Topology& t) { t.add_frame_device(PortId{9}, red, {}); })},
        {"a member is added to the last bridge", red_host, blue_host,
         topology([](Topology& t) { t.add_frame_device(PortId{9}, blue, {}); })},
        {"a leg with the neighbor's address is added", red_host, blue_host, topology([](Topology& t) {
             t.add_leg(PortId{9}, blue,
                       {.mac = blue_host.mac, .addresses = {prefix("10.9.0.1/24")}, .mtu = 1500});
         })},
    };
    for (const auto& [what, one, other, make] : changes) {
        CAPTURE(std::string{what});
        RoutedNode node;
        node.converse(one, other);
        REQUIRE(node.carrier.flows.size() == 2);
        CHECK(node.holds(one));
        make(node);
        CHECK_FALSE(node.holds(one));
    }
}

TEST_CASE("what does not change its way leaves a routed flow alone") {
    RoutedNode node;
    node.converse(red_host, blue_host);
    node.put_in(red_other, PacketBuilder()
                               .ethernet(red_gateway, mac("02:00:00:00:01:33"))
                               .arp_request(mac("02:00:00:00:01:33"), ip("10.1.0.33"), ip("10.1.0.1"))
                               .build());
    node.tell_address(blue_host, blue_host.mac);
    node.topology().set_mtu(tun, 1280);
    node.tick(2s);
    CHECK(node.carrier.flows.size() == 2);
    CHECK(node.holds(red_host));
    CHECK(node.holds(blue_host));
}

TEST_CASE("after a change a routed flow is carried the new way") {
    RoutedNode node;
    node.converse(red_host, blue_host);
    SUBCASE("to the neighbor's new address and port") {
        Host moved = blue_host;
        moved.port = blue_other;
        moved.mac = mac("02:00:00:00:02:77");
        node.tell_address(moved, moved.mac);
        node.talk(red_host, moved);
        CHECK(node.action_of(red_host).out == blue_other);
        CHECK(node.action_of(red_host).rewrite->destination == moved.mac);
        CHECK(node.holds(red_host));
        CHECK(node.carrier.from(blue_tap) == nullptr);
        CHECK(node.carrier.from(blue_other)->key.source_mac == moved.mac);
    }
    SUBCASE("with the new MTU") {
        node.topology().set_mtu(blue_leg, 1280);
        node.talk(red_host, blue_host);
        CHECK(node.action_of(red_host).mtu == 1280);
        CHECK(node.holds(red_host));
    }
    SUBCASE("by another sender of the same address: each takes the other's place") {
        Host twin = red_host;
        twin.port = red_other;
        twin.mac = mac("02:00:00:00:01:77");
        node.put_in(twin, RoutedNode::udp(twin, blue_host));
        CHECK(node.carrier.from(red_tap) == nullptr);
        CHECK(node.carrier.from(blue_tap) != nullptr);
    }
}

TEST_CASE("FIN, RST and SYN take both directions of a routed flow back") {
    for (const std::uint8_t flags : {TcpHeader::fin, TcpHeader::rst, TcpHeader::syn}) {
        for (const bool by_other : {false, true}) {
            const Host& other = by_other ? tun_host : blue_host;
            RoutedNode node;
            node.meet(red_host, other);
            for (int i = 0; i < 80; ++i) {
                node.put_in(red_host, RoutedNode::tcp(red_host, other, TcpHeader::ack));
                node.put_in(other, RoutedNode::tcp(other, red_host, TcpHeader::ack));
            }
            REQUIRE(node.carrier.flows.size() == 2);
            const Host& from = by_other ? other : red_host;
            const Host& to = by_other ? red_host : other;
            node.put_in(from, RoutedNode::tcp(from, to, flags));
            CHECK(node.carrier.flows.empty());
            for (int i = 0; i < 80; ++i) node.put_in(from, RoutedNode::tcp(from, to, TcpHeader::fin));
            CHECK(node.carrier.flows.empty());
        }
    }
}

TEST_CASE("what was carried counts for the devices and for the router's legs, once each") {
    for (const Host& other : {blue_host, tun_host, far_host}) {
        CAPTURE(other.address.to_string());
        RoutedNode node;
        node.converse(red_host, other);
        std::map<PortId, TrafficCounters> before;
        for (const Port& port : node.topology().ports()) before[port.id] = port.traffic;
        node.carry(10, 1000);
        node.tick(2s);
        for (const Port& port : node.topology().ports()) {
            CAPTURE(port.id.value());
            const bool counts =
                port.id == red_tap || port.id == red_leg || port.id == other.port || port.id == other.router;
            const std::uint64_t packets = counts ? 10 : 0;
            CHECK(port.traffic.rx_packets - before[port.id].rx_packets == packets);
            CHECK(port.traffic.tx_packets - before[port.id].tx_packets == packets);
            CHECK(port.traffic.rx_bytes - before[port.id].rx_bytes == packets * 100);
            CHECK(port.traffic.tx_bytes - before[port.id].tx_bytes == packets * 100);
        }
        node.tick(2s);
        CHECK(node.topology().port(red_tap).traffic.rx_packets - before[red_tap].rx_packets == 10);
    }
}

TEST_CASE("a carried flow keeps its neighbor asked after, and its sender's station from ageing") {
    struct Case {
        Host one;
        Host other;
    };

    for (const auto& [one, other] : {Case{red_host, blue_host}, Case{red6_host, blue6_host}}) {
        RoutedNode node;
        node.converse(one, other);
        int questions = 0;
        for (int second = 0; second < 400; second += 2) {
            node.carry(10, 1000);
            node.tick(2s);
            for (const Host& host : {one, other}) {
                for (const Bytes& question : node.at(host.port)) {
                    // To the station alone.
                    const auto* ethernet = view<EthernetHeader>(question);
                    CHECK(ethernet->destination == host.mac);
                    CHECK(ethernet->source == host.gateway);
                    CHECK(ethernet->type.value() ==
                          (host.address.is_v6() ? ether_type::ipv6 : ether_type::arp));
                    ++questions;
                    node.tell_address(host, host.mac);
                }
            }
            CHECK(node.at(red_other).empty());
            CHECK(node.at(blue_other).empty());
        }
        CHECK(questions >= 2 * 10);
        CHECK(questions <= 2 * 14);
        CHECK(node.carrier.flows.size() == 2);
        CHECK(node.holds(one));
        CHECK(node.holds(other));
        for (const Host& host : {one, other}) {
            auto& stations = node.topology().bridge(host.port == red_tap ? red : blue).bridge.stations();
            CHECK(stations.lookup(untagged, host.mac, node.now) == host.port);
        }
    }
}

TEST_CASE("a neighbor that does not answer while a flow to it is carried is given up") {
    RoutedNode node;
    node.converse(red_host, blue_host);
    std::size_t questions = 0;
    for (int second = 0; second < 60; second += 2) {
        node.carry(10, 1000);
        node.tick(2s);
        questions += node.at(blue_tap).size();
        for (const Bytes& question : node.at(red_tap)) {
            CHECK_FALSE(question.empty());
            node.tell_address(red_host, red_host.mac);
        }
    }
    CHECK(questions == 3);
    CHECK_FALSE(node.holds(red_host));
    CHECK(node.holds(blue_host));
}

TEST_CASE("a question of the gateway's own that comes out before the datagram is not taken for it") {
    for (const auto& [one, other] :
         {std::pair{red_host, blue_host}, std::pair{red6_host, blue6_host}, std::pair{tun_host, far_host}}) {
        RoutedNode node;
        node.meet(one, other);
        for (int i = 0; i < 80; ++i) {
            node.now += 31s;
            for (const auto& [from, to] : {std::pair{one, other}, std::pair{other, one}}) {
                node.put_in(from, RoutedNode::udp(from, to));
                if (to.port == blue_tap) CHECK(node.outputs(blue_tap).size() == 2);
                node.tell_address(to, to.mac);
            }
            node.forget_output();
        }
        CHECK(node.carrier.flows.size() == 2);
        CHECK(node.holds(one));
        CHECK(node.action_of(one).out == other.port);
        CHECK(*node.action_of(one).rewrite == FlowOffload::Rewrite{other.mac, other.gateway});
        CHECK(node.action_of(other).out == one.port);
        CHECK(*node.action_of(other).rewrite == FlowOffload::Rewrite{one.mac, one.gateway});
    }
}

TEST_CASE("datagrams that wait for their neighbor, and the answer that lets them go, carry no flow away") {
    RoutedNode node;
    node.put_in(blue_host, RoutedNode::udp(blue_host, red_host));
    node.tell_address(red_host, red_host.mac);
    for (int i = 0; i < 32; ++i) {
        node.put_in(blue_host, RoutedNode::udp(blue_host, red_host));
        node.put_in(red_host, RoutedNode::udp(red_host, blue_host));
    }
    CHECK(node.drops(red_leg, Drop::neighbor_queue_full) == 28);
    CHECK(node.at(blue_tap).size() == 1);  // the question
    CHECK(node.carrier.from(red_tap) == nullptr);
    node.tell_address(blue_host, blue_host.mac);
    CHECK(node.at(blue_tap).size() == 4);
    CHECK(node.carrier.from(red_tap) == nullptr);
    for (int i = 0; i < 16; ++i) node.put_in(red_host, RoutedNode::udp(red_host, blue_host));
    CHECK(node.at(blue_tap).size() == 16);
    CHECK(node.action_of(red_host).out == blue_tap);
    CHECK(*node.action_of(red_host).rewrite == FlowOffload::Rewrite{blue_host.mac, blue_gateway});
}

TEST_CASE("a frame of one leg's that leads to another leg is carried by nobody") {
    RoutedNode node;
    constexpr PortId third_leg{9};
    const MacAddress third = mac("02:00:00:00:ff:03");
    node.topology().add_leg(third_leg, blue,
                            {.mac = third, .addresses = {prefix("10.9.0.1/24")}, .mtu = 1500});
    node.topology().add_route({prefix("10.5.0.0/16"), blue_leg, ip("10.2.0.3")});
    // A station of the bridge says that the other leg's address is the next hop's.
    Host next_hop = blue_host;
    next_hop.address = ip("10.2.0.3");
    const auto datagram = [&](std::uint8_t hops) {
        return RoutedNode::to_gateway(red_host)
            .ip(red_host.address, ip("10.5.0.1"))
            .ttl(hops)
            .udp(1000, 53)
            .payload(9)
            .build();
    };
    node.put_in(red_host, datagram(64));
    node.put_in(blue_host, PacketBuilder()
                               .ethernet(blue_gateway, blue_host.mac)
                               .arp_reply(third, next_hop.address, blue_gateway, ip("10.2.0.1"))
                               .build());
    const auto back = PacketBuilder()
                          .ethernet(blue_gateway, blue_host.mac)
                          .ip(ip("10.5.0.1"), red_host.address)
                          .udp(53, 1000)
                          .payload(9)
                          .build();
    for (int i = 0; i < 100; ++i) {
        node.put_in(red_host, datagram(5));
        node.put_in(blue_host, back);
    }
    CHECK(node.carrier.from(red_tap) == nullptr);
    for (const auto& [slot, flow] : node.carrier.flows) CHECK(flow.in == blue_tap);
}

TEST_CASE("a sample of a routed flow is right if it went as the datagrams did, any other takes it back") {
    RoutedNode node;
    node.converse(red_host, far_host);
    REQUIRE(node.carrier.flows.size() == 2);
    const auto sent = [](const MacAddress& destination, const MacAddress& source, const Host& to) {
        return PacketBuilder()
            .ethernet(destination, source)
            .ip(red_host.address, to.address)
            .ttl(63)
            .udp(1000, 53)
            .payload(32)
            .build();
    };
    const Bytes right = sent(far_host.mac, blue_gateway, far_host);
    auto sample = node.sample(red_host, right, true);
    sample.vni = Vni{2};
    REQUIRE(node.datapath.check(sample, node.now));
    CHECK(node.carrier.flows.size() == 2);
    Bytes wrong;
    SUBCASE("without the new addresses") {
        wrong = sent(red_gateway, red_host.mac, far_host);
    }
    SUBCASE("to another station") {
        wrong = sent(blue_host.mac, blue_gateway, far_host);
    }
    SUBCASE("from another gateway") {
        wrong = sent(far_host.mac, red_gateway, far_host);
    }
    SUBCASE("another flow's") {
        wrong = sent(far_host.mac, blue_gateway, blue_host);
    }
    SUBCASE("cut off") {
        wrong.assign(right.begin(), right.begin() + 40);
    }
    SUBCASE("by another port") {
        sample.out = blue_tap;
    }
    SUBCASE("from another port") {
        sample.in = red_other;
    }
    SUBCASE("nowhere") {
        sample.out = no_port;
    }
    SUBCASE("with another VNI") {
        sample.vni = Vni{3};
    }
    if (!wrong.empty()) sample.bytes = wrong;
    CHECK_FALSE(node.datapath.check(sample, node.now));
    CHECK(node.carrier.from(red_tap) == nullptr);
    CHECK(node.carrier.from(tunnel) != nullptr);
    CHECK(node.datapath.check(sample, node.now));  // it was taken back already
}

TEST_CASE("a sample to a TUN is a datagram, and one from it a frame with new addresses") {
    RoutedNode node;
    node.converse(red_host, tun_host);
    REQUIRE(node.carrier.flows.size() == 2);
    const Bytes datagram = RoutedNode::udp(tun_host, red_host);
    const Bytes frame = PacketBuilder()
                            .ethernet(red_host.mac, red_gateway)
                            .ip(tun_host.address, red_host.address)
                            .udp(53, 1000)
                            .payload(32)
                            .build();
    CHECK(node.datapath.check(node.sample(tun_host, frame, true), node.now));
    const Bytes to_tun = without_ethernet(RoutedNode::udp(red_host, tun_host));
    CHECK(node.datapath.check(node.sample(red_host, to_tun, false), node.now));
    CHECK(node.carrier.flows.size() == 2);
    CHECK_FALSE(node.datapath.check(node.sample(tun_host, datagram, false), node.now));
    CHECK(node.carrier.flows.size() == 1);
}
