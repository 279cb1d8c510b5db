// Guarded and isolated ports of one node: what is dropped there teaches nothing and is counted where it came
// from, and what is remembered about flows is no way around.
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
constexpr PortId first{0};   // both guarded and isolated,
constexpr PortId second{1};  // if the test wants it
constexpr PortId third{2};   // neither
constexpr PortId leg{3};

const MacAddress a = mac("02:00:00:00:00:0a");
const MacAddress b = mac("02:00:00:00:00:0b");
const MacAddress c = mac("02:00:00:00:00:0c");
const MacAddress foreign = mac("02:00:00:00:00:66");
const MacAddress gateway = mac("02:00:00:00:00:fe");
const IpAddress ip_a = ip("10.0.0.10");
const IpAddress ip_b = ip("10.0.0.11");
const IpAddress ip_c = ip("10.0.0.12");
const IpAddress router = ip("10.0.0.1");

struct GuardNode : SingleNode {
    struct Options {
        bool guarded = false;
        bool isolated = false;
        VlanFilter vlans = VlanFilter::all();
    };

    explicit GuardNode(const Options& options) {
        topology().add_bridge(lan, {.vni = Vni{100}, .limits = {}});
        add(first, options, a, ip_a);
        add(second, options, b, ip_b);
        topology().add_frame_device(third, lan, {.vlans = options.vlans});
        topology().add_leg(leg, lan, {.mac = gateway, .addresses = {prefix("10.0.0.1/24")}, .mtu = 1500});
        datapath.offload_to(&carrier, {});
    }

    ~GuardNode() { datapath.offload_to(nullptr, {}); }

    void add(PortId port, const Options& options, const MacAddress& station, const IpAddress& address) {
        FrameDeviceOptions device{.vlans = options.vlans, .isolated = options.isolated};
        if (options.guarded) device.guard.emplace(station, std::vector{address});
        topology().add_frame_device(port, lan, device);
    }

    // How many frames came out of which port.
    std::array<std::size_t, 3> received() { return {at(first).size(), at(second).size(), at(third).size()}; }

    // The same of IPv4, and not what the gateway asks.
    std::array<std::size_t, 3> received_datagrams() {
        std::array<std::size_t, 3> count{};
        for (const PortId port : {first, second, third})
            for (const Bytes& frame : at(port)) count[port.value()] += get16(frame, 12) == 0x0800 ? 1U : 0U;
        return count;
    }

    [[nodiscard]] bool knows(const MacAddress& station) {
        const auto stations = datapath.snapshot(now).stations;
        return std::ranges::any_of(stations, [&](const auto& seen) { return seen.entry.mac == station; });
    }

    // Every station is heard once, and the gateway knows its address.
    void introduce_all() {
        const std::array<std::tuple<PortId, MacAddress, IpAddress>, 3> stations{
            {{first, a, ip_a}, {second, b, ip_b}, {third, c, ip_c}}};
        for (const auto& [port, station, address] : stations) {
            from_port(port, PacketBuilder()
                                .ethernet(broadcast_mac, station)
                                .arp_request(station, address, router)
                                .build());
        }
        (void)received();
    }

    Carrier carrier;
};

constexpr std::array<std::size_t, 3> nowhere{0, 0, 0};
constexpr std::array<std::size_t, 3> to_first{1, 0, 0};
constexpr std::array<std::size_t, 3> to_second{0, 1, 0};
constexpr std::array<std::size_t, 3> to_third{0, 0, 1};

Bytes udp(const MacAddress& from, const MacAddress& to, const IpAddress& source, const IpAddress& destination,
          std::uint16_t source_port = 1000, std::uint16_t destination_port = 2000) {
    return PacketBuilder()
        .ethernet(to, from)
        .ip(source, destination)
        .udp(source_port, destination_port)
        .payload(20)
        .build();
}

}  // namespace

TEST_CASE("what a guard drops is counted at its port, reaches nobody and teaches nothing") {
    GuardNode node({.guarded = true});
    node.introduce_all();
    node.from_port(first, udp(foreign, c, ip_a, ip_c));
    CHECK(node.drops(first, Drop::spoofed_mac) == 1);
    CHECK_FALSE(node.knows(foreign));
    node.from_port(first, udp(c, broadcast_mac, ip_c, ip_a));
    CHECK(node.drops(first, Drop::spoofed_mac) == 2);
    node.from_port(first, udp(a, c, ip_b, ip_c));
    CHECK(node.drops(first, Drop::spoofed_ip) == 1);
    CHECK(node.received() == nowhere);
    node.from_port(second, udp(b, c, ip_b, ip_c));
    CHECK(node.received() == to_third);
    CHECK(node.all_drops() == 3);
    CHECK(node.held() == 0);
}

TEST_CASE("a guard's port may say what is its own, and others may say anything") {
    GuardNode node({.guarded = true});
    node.introduce_all();
    node.from_port(first, udp(a, c, ip_a, ip_c));
    CHECK(node.received() == to_third);
    node.from_port(third, udp(foreign, a, ip_b, ip_a));
    CHECK(node.received() == to_first);
    CHECK(node.all_drops() == 0);
}

TEST_CASE("neither gateway nor neighbor believe a guarded port's spoofed ARP") {
    GuardNode node({.guarded = true});
    node.introduce_all();
    for (const IpAddress& stolen : {ip_b, router}) {
        node.from_port(first,
                       PacketBuilder().ethernet(broadcast_mac, a).arp_request(a, stolen, router).build());
    }
    CHECK(node.drops(first, Drop::spoofed_arp) == 2);
    CHECK(node.received() == nowhere);
    for (const auto& neighbor : node.datapath.snapshot(node.now).neighbors)
        if (neighbor.address == ip_b) CHECK(neighbor.mac == b);
}

TEST_CASE("inside of a VLAN tag a guard looks as well, at access ports and trunks") {
    const auto tagged = [](const IpAddress& source) {
        return PacketBuilder().ethernet(c, a).vlan(VlanId{10}).ip(source, ip_c).udp(1, 2).build();
    };
    GuardNode trunk({.guarded = true, .vlans = VlanFilter::trunk({VlanId{10}})});
    trunk.from_port(first, tagged(ip_b));
    CHECK(trunk.drops(first, Drop::spoofed_ip) == 1);
    trunk.from_port(first, tagged(ip_a));
    CHECK(trunk.drops(first, Drop::spoofed_ip) == 1);
    GuardNode access({.guarded = true, .vlans = VlanFilter::access(VlanId{10})});
    access.from_port(first, udp(a, c, ip_b, ip_c));
    CHECK(access.drops(first, Drop::spoofed_ip) == 1);
    access.from_port(first, tagged(ip_b));
    CHECK(access.drops(first, Drop::vlan_not_allowed) == 1);
}

TEST_CASE("a flow that is known is known by its addresses: with others it is another one, and dropped") {
    GuardNode node({.guarded = true});
    node.introduce_all();
    for (int i = 0; i < 80; ++i) {
        node.from_port(first, udp(a, c, ip_a, ip_c));
        node.from_port(third, udp(c, a, ip_c, ip_a, 2000, 1000));
    }
    (void)node.received();
    CHECK(node.carrier.flows.size() == 2);  // a guard keeps no flow in userspace
    const auto refused = [&](const Bytes& frame, Drop drop) {
        const auto before = node.drops(first, drop);
        node.from_port(first, frame);
        CHECK(node.drops(first, drop) == before + 1);
        CHECK(node.received() == nowhere);
    };
    refused(udp(foreign, c, ip_a, ip_c), Drop::spoofed_mac);
    refused(udp(c, a, ip_a, ip_c), Drop::spoofed_mac);
    refused(udp(a, c, ip_b, ip_c), Drop::spoofed_ip);
    refused(udp(a, c, ip_a, ip_c, 67, 2000), Drop::dhcp_server);
    node.from_port(first, udp(a, c, ip_a, ip_c));
    CHECK(node.received() == to_third);
}

TEST_CASE("a ping's flow is no cover for neighbor discovery") {
    GuardNode node({.guarded = true});
    const IpAddress local = link_local_address(a);
    const auto base = [&] { return PacketBuilder().ethernet(c, a).ip(local, ip("fe80::c")); };
    for (const std::uint16_t identifier : {std::uint16_t{7}, std::uint16_t{0}})
        for (int i = 0; i < 40; ++i) node.from_port(first, base().echo_request(identifier, 1).build());
    node.from_port(first, base().icmp(134, 0, 0x00070007).payload(8).build());
    CHECK(node.drops(first, Drop::router_advertisement) == 1);
    node.from_port(first, base().neighbor_advertisement(ip("fe80::c"), a).build());
    CHECK(node.drops(first, Drop::spoofed_nd) == 1);
}

TEST_CASE("a port that gets a guard has one for flows that were known before") {
    GuardNode node({});
    node.introduce_all();
    for (int i = 0; i < 80; ++i) {
        node.from_port(first, udp(foreign, c, ip_a, ip_c));
        node.from_port(third, udp(c, foreign, ip_c, ip_a, 2000, 1000));
    }
    (void)node.received();
    CHECK(node.carrier.flows.size() == 2);
    node.datapath.remove_port(first);
    node.add(first, {.guarded = true}, a, ip_a);
    CHECK_FALSE(node.carrier.holds(node.topology().generations(), first));
    node.from_port(first, udp(foreign, c, ip_a, ip_c));
    CHECK(node.drops(first, Drop::spoofed_mac) == 1);
    node.datapath.remove_port(first);
    node.add(first, {}, a, ip_a);
    node.from_port(first, udp(foreign, c, ip_a, ip_c));
    CHECK(node.drops(first, Drop::spoofed_mac) == 0);  // new port, new counters
}

TEST_CASE("isolated ports do not hear one another's floods, and the others do") {
    GuardNode node({.isolated = true});
    node.from_port(first, udp(a, broadcast_mac, ip_a, ip_b));
    CHECK(node.received() == to_third);
    node.from_port(third, udp(c, broadcast_mac, ip_c, ip_a));
    CHECK(node.received() == std::array<std::size_t, 3>{1, 1, 0});
    CHECK(node.all_drops() == 0);
}

TEST_CASE("a frame from an isolated port to a station behind another one is dropped by its name") {
    GuardNode node({.isolated = true});
    node.introduce_all();
    node.from_port(first, udp(a, b, ip_a, ip_b));
    CHECK(node.drops(first, Drop::isolated) == 1);
    CHECK(node.received() == nowhere);
    node.from_port(first, udp(a, c, ip_a, ip_c));
    CHECK(node.received() == to_third);
    node.from_port(third, udp(c, b, ip_c, ip_b));
    CHECK(node.received() == to_second);
    CHECK(node.all_drops() == 1);
}

TEST_CASE("a flow that was known before its ports were isolated ends with that") {
    GuardNode node({});
    node.introduce_all();
    for (int i = 0; i < 80; ++i) {
        node.from_port(first, udp(a, b, ip_a, ip_b));
        node.from_port(second, udp(b, a, ip_b, ip_a, 2000, 1000));
    }
    (void)node.received();
    CHECK(node.carrier.flows.size() == 2);
    for (const auto& [port, station, address] : {std::tuple{first, a, ip_a}, std::tuple{second, b, ip_b}}) {
        node.datapath.remove_port(port);
        node.add(port, {.isolated = true}, station, address);
    }
    CHECK_FALSE(node.carrier.holds(node.topology().generations(), first));
    CHECK_FALSE(node.carrier.holds(node.topology().generations(), second));
    node.introduce_all();
    node.from_port(first, udp(a, b, ip_a, ip_b));
    CHECK(node.drops(first, Drop::isolated) == 1);
    CHECK(node.received() == nowhere);
}

TEST_CASE("the gateway answers isolated ports, and is no way around") {
    GuardNode node({.isolated = true});
    node.introduce_all();
    node.from_port(first, ip_frame(gateway, a, ping(ip_a, router)));
    CHECK(node.received_datagrams() == to_first);
    node.from_port(first, udp(a, gateway, ip_a, ip_b));
    CHECK(node.drops(first, Drop::isolated) == 1);
    CHECK(node.received_datagrams() == nowhere);
    node.from_port(third, udp(c, gateway, ip_c, ip_b));
    CHECK(node.received_datagrams() == to_second);
}

TEST_CASE("an isolated port reaches what is behind another router of its bridge") {
    GuardNode node({.isolated = true});
    node.introduce_all();
    node.topology().add_route(
        {.to = prefix("0.0.0.0/0"), .out = no_port, .via = ip_c, .origin = Route::Origin::configured});
    node.from_port(first, udp(a, gateway, ip_a, ip("192.0.2.1")));
    CHECK(node.received_datagrams() == to_third);
    CHECK(node.all_drops() == 0);
}
