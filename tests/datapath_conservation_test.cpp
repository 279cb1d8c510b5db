// Random traffic through all doors of one node. Nothing is lost uncounted, nothing is made of nothing, and no
// buffer stays behind.
//
// The ledger: whatever enters is either counted under exactly one drop, and then nothing leaves but perhaps
// an ICMP error about it (the router replaces the datagram by it in place), or it leaves: once, or, if its
// bridge floods it, once for each member that it is flooded to. A copy that cannot be delivered is counted
// under one drop of its own. So, packet by packet,
//
//     left + dropped = 1                     or, with an ICMP error, dropped = 1 and left = 1
//     left + dropped = members flooded to    for a flood
//
// That is checked where nothing waits and nothing is for the node itself: no gateway, manual keys, no
// dummies. A second node has gateways, a peer without keys and small MTUs; of that one only the balance of
// its buffers is asked.
#include <doctest/doctest.h>

#include "tests/support/datagrams.h"
#include "tests/support/seeded_random.h"
#include "tests/support/single_node.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr BridgeId lan{0};
constexpr BridgeId other{1};
constexpr PortId tap1{0};
constexpr PortId tap2{1};
constexpr PortId trunk{2};
constexpr PortId tun{3};
constexpr PortId esp_port{4};
constexpr PortId plain_port{5};
constexpr PortId lan_leg{6};
constexpr PortId other_leg{7};
constexpr PortId other_tap{8};
constexpr PortId waiting_port{9};
constexpr PeerId esp_peer{0};
constexpr PeerId plain_peer{1};
constexpr PeerId waiting_peer{2};
constexpr Vni vni{100};

const Endpoint esp_there = Endpoint{ip("192.0.2.2"), 4500};
const Endpoint plain_there = Endpoint{ip("192.0.2.3"), 4789};

struct StrictNode : SingleNode {
    StrictNode() {
        topology().add_bridge(lan, {.vni = vni, .limits = {}});
        topology().add_frame_device(tap1, lan, {});
        topology().add_frame_device(tap2, lan, {.vlans = VlanFilter::access(VlanId{10})});
        topology().add_frame_device(trunk, lan, {.vlans = VlanFilter::trunk({VlanId{10}, VlanId{20}})});
        topology().add_datagram_device(tun, {prefix("10.1.0.1/24"), prefix("2001:db8:1::1/64")}, 1500);
        topology().add_peer(esp_peer, esp_port,
                            {.endpoint = esp_there,
                             .bridges = {lan},
                             .prefixes = {prefix("10.2.0.0/24"), prefix("2001:db8:2::/64")},
                             .routed_mtu = 65535,
                             .liveness = {}});
        datapath.install_manual(esp_peer, {sa_keys(300), sa_keys(400), 1, OutboundSa::max_packets}, now);
        topology().add_peer(plain_peer, plain_port,
                            {.encrypted = false, .endpoint = plain_there, .bridges = {lan}, .liveness = {}});
    }

    SaEnd far{400, 300};
};

// Gateways on two bridges, and a peer without keys.
struct FullNode : StrictNode {
    FullNode() {
        topology().add_bridge(other, {.vni = Vni{200}, .limits = {}});
        topology().add_frame_device(other_tap, other, {});
        topology().add_leg(lan_leg, lan,
                           {.mac = station(0x81),
                            .addresses = {prefix("10.3.0.1/24"), prefix("2001:db8:3::1/64")},
                            .mtu = 1500});
        topology().add_leg(other_leg, other,
                           {.mac = station(0x82),
                            .addresses = {prefix("10.4.0.1/24"), prefix("2001:db8:4::1/64")},
                            .mtu = 300});
        topology().add_peer(waiting_peer, waiting_port,
                            {.bridges = {other}, .prefixes = {prefix("10.5.0.0/24")}, .liveness = {}});
    }

    static MacAddress station(unsigned number) {
        return {{2, 0, 0, 0, 0, static_cast<std::uint8_t>(number)}};
    }
};

// Packets of all kinds between few stations, so that they meet; some are cut off, some have a wrong byte,
// some are nothing but noise.
class Traffic {
  public:
    explicit Traffic(std::uint64_t seed) : random_(seed) {}

    Bytes frame() {
        PacketBuilder builder;
        builder.ethernet(random_.chance(0.1) ? broadcast_mac : station(), station());
        if (random_.chance(0.4)) builder.vlan(VlanId{static_cast<std::uint16_t>(10 * random_.below(4))});
        if (random_.chance(0.2)) {
            const IpAddress asked = address(false);
            return spoil(random_.chance(0.5)
                             ? builder.arp_request(station(), address(false), asked).build()
                             : builder.arp_reply(station(), address(false), station(), asked).build());
        }
        add_datagram(builder);
        return spoil(builder.build());
    }

    Bytes datagram() {
        PacketBuilder builder;
        add_datagram(builder);
        return spoil(builder.build());
    }

    SeededRandom& random() noexcept { return random_; }

  private:
    MacAddress station() {
        if (random_.chance(0.1)) return FullNode::station(0x81 + static_cast<unsigned>(random_.below(2)));
        return FullNode::station(static_cast<unsigned>(random_.below(12)));
    }

    IpAddress address(bool is_v6) {
        const auto net = static_cast<std::uint8_t>(1 + random_.below(6));
        const auto host = static_cast<std::uint8_t>(1 + random_.below(4));
        if (!is_v6) return IpAddress::v4({10, net, 0, host});
        return IpAddress::v6({0x20, 0x01, 0x0d, 0xb8, 0, net, 0, 0, 0, 0, 0, 0, 0, 0, 0, host});
    }

    void add_datagram(PacketBuilder& builder) {
        const bool is_v6 = random_.chance(0.3);
        builder.ip(address(is_v6), address(is_v6));
        builder.ttl(static_cast<std::uint8_t>(random_.chance(0.1) ? random_.below(2) : 64));
        const std::size_t payload = random_.below(random_.chance(0.1) ? 1400 : 100);
        switch (random_.below(3)) {
            case 0:
                builder.udp(1000, 2000).payload(payload);
                break;
            case 1:
                builder.tcp(1000, 2000).payload(payload);
                break;
            default:
                builder.echo_request(1, 2).payload(payload);
        }
    }

    Bytes spoil(Bytes bytes) {
        if (random_.chance(0.1)) bytes.resize(random_.below(bytes.size() + 1));
        if (random_.chance(0.1) && !bytes.empty())
            bytes[random_.below(bytes.size())] = static_cast<std::uint8_t>(random_.next());
        if (random_.chance(0.02)) random_.fill(bytes);
        return bytes;
    }

    SeededRandom random_;
};

// One packet through a door of the traffic's choice.
void let_in(StrictNode& node, Traffic& traffic) {
    SeededRandom& random = traffic.random();
    const Endpoint stranger{ip("203.0.113.1"), 9};
    constexpr std::uint8_t next_headers[] = {17, 17, 17, 4, 4, 41, 50, 6};
    switch (random.below(7)) {
        case 0:
            return node.from_port(tap1, traffic.frame());
        case 1:
            return node.from_port(tap2, traffic.frame());
        case 2:
            return node.from_port(trunk, traffic.frame());
        case 3:
            return node.from_port(tun, traffic.datagram());
        case 4: {
            const Vni number{random.chance(0.9) ? 100U : 7U};
            return node.from_underlay(Channel::vxlan, random.chance(0.9) ? plain_there : stranger,
                                      in_vxlan(number, traffic.frame(), false));
        }
        default: {
            const std::uint8_t next = next_headers[random.below(std::size(next_headers))];
            Bytes inner = next == 17 ? in_vxlan(vni, traffic.frame()) : traffic.datagram();
            Bytes packet = node.far.seal(inner, next);
            if (random.chance(0.05)) packet[random.below(packet.size())] ^= 0x10U;
            if (random.chance(0.05)) packet.resize(4 + random.below(packet.size() - 4));
            if (packet[0] == 0 && packet[1] == 0 && packet[2] == 0 && packet[3] == 0) return;
            return node.from_underlay(Channel::esp, esp_there, packet);
        }
    }
}

std::size_t leave(SingleNode& node, std::initializer_list<PortId> ports) {
    std::size_t left = node.sent().size();
    for (const PortId port : ports) left += node.at(port).size();
    return left;
}

std::uint64_t icmp_reasons(SingleNode& node) {
    std::uint64_t count = 0;
    for (const Port& port : node.topology().ports()) {
        for (const Drop drop : {Drop::no_route, Drop::ttl_exceeded, Drop::too_big, Drop::not_for_us})
            count += port.drops[drop];
    }
    return count;
}

}  // namespace

TEST_CASE("every packet leaves or is counted, once") {
    StrictNode node;
    Traffic traffic(2024);
    std::size_t flooded = 0;
    std::size_t delivered = 0;
    std::size_t dropped = 0;
    std::size_t errors = 0;
    for (int i = 0; i < 20'000; ++i) {
        const auto drops_before = node.all_drops();
        const auto icmp_before = icmp_reasons(node);
        node.now += 10ms;
        let_in(node, traffic);
        const std::size_t drops = node.all_drops() - drops_before;
        const std::size_t left = leave(node, {tap1, tap2, trunk, tun});
        CAPTURE(i);
        if (icmp_reasons(node) != icmp_before) {
            CHECK_UNARY(drops == 1 && left <= 1);
            errors += left;
        } else if (left + drops == 1) {
            ++(left == 1 ? delivered : dropped);
        } else {
            // A flood: no port and no peer gets more than one copy, and the one it came from none.
            CHECK_UNARY(left >= 1 && left + drops <= node.topology().bridge(lan).bridge.members().size() - 1);
            ++flooded;
        }
        CHECK_UNARY(node.held() == 0);
        node.datapath.events().clear();
    }
    CHECK(delivered > 1000);
    CHECK(dropped > 1000);
    CHECK(flooded > 100);
    CHECK(errors > 10);
}

TEST_CASE("a flood's copies are as many as there are members that it is for") {
    StrictNode node;
    for (const auto vlan : {untagged, VlanId{10}, VlanId{20}, VlanId{30}}) {
        for (const PortId in : {tap1, tap2, trunk}) {
            CAPTURE(vlan.value());
            const Bridge& bridge = node.topology().bridge(lan).bridge;
            PacketBuilder builder;
            builder.ethernet(broadcast_mac, FullNode::station(1));
            if (vlan != untagged && in != tap2) builder.vlan(vlan);
            Packet probe = builder.payload(46).build(node.pool);
            const auto drops_before = node.all_drops();
            // The filter of an access port says which VLAN the frame is in.
            const VlanId carried = in == tap2 ? VlanId{10} : vlan;
            std::size_t due = 0;
            for (const BridgeMember& member : bridge.members())
                due += bridge.floods_to(member, in, carried) ? 1 : 0;
            const bool admitted = bridge.member(in)->vlans.carries(carried);
            node.from_port(in, std::move(probe));
            CHECK(leave(node, {tap1, tap2, trunk}) == (admitted ? due : 0));
            CHECK(node.all_drops() - drops_before == (admitted ? 0 : 1));
        }
    }
}

TEST_CASE("no buffer stays behind, whatever came and whatever waited") {
    FullNode node;
    Traffic traffic(7);
    for (int i = 0; i < 20'000; ++i) {
        if (traffic.random().chance(0.1)) {
            node.from_port(other_tap, traffic.frame());
        } else {
            let_in(node, traffic);
        }
        leave(node, {tap1, tap2, trunk, tun, other_tap});
        if (traffic.random().chance(0.01)) node.tick(700ms);
        if (traffic.random().chance(0.001)) node.datapath.retire(waiting_peer);
        node.datapath.events().clear();
        // Only gateways and the peer without keys hold packets, in bounds.
        CHECK_UNARY(node.held() <= 2 * std::size_t{NeighborLimits{}.parked} + Peer::max_parked);
    }
    for (int second = 0; second < 10; ++second) {
        node.tick(1s);
        leave(node, {tap1, tap2, trunk, tun, other_tap});
    }
    CHECK(node.held() == 0);
    CHECK(node.pool.available() == node.pool.size());
    CHECK(node.drops(waiting_port, Drop::no_session) > 0);
    CHECK(node.drops(other_leg, Drop::neighbor_unresolved) + node.drops(lan_leg, Drop::neighbor_unresolved) >
          0);
}

TEST_CASE("a node whose pool has run dry counts what it cannot copy, and recovers") {
    FullNode node;
    Traffic traffic(9);
    std::vector<Packet> hoard;
    while (node.pool.available() > 2) hoard.push_back(node.pool.take());
    for (int i = 0; i < 3'000; ++i) {
        if (node.pool.available() > 0) let_in(node, traffic);
        leave(node, {tap1, tap2, trunk, tun, other_tap});
        if (i % 50 == 0) node.tick(1s);
        node.datapath.events().clear();
    }
    CHECK(node.drops(tap1, Drop::no_buffer) > 0);
    hoard.clear();
    for (int second = 0; second < 10; ++second) node.tick(1s);
    leave(node, {tap1, tap2, trunk, tun, other_tap});
    CHECK(node.held() == 0);
}
