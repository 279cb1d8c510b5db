// Bytes as a history of one node: a sequence of packets through its doors and of ticks. The node has two
// bridges with gateways, a trunk, a TUN, and an encrypted, a plain and a keyless peer. So that the fuzzer
// gets past checksums and keys, some operations repair or seal what it says:
//
//   operation | argument | size | `size` bytes, or what is left
//
// Whatever comes, the node holds on to no more packets than it may, and to none after a while.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

#include "tests/support/single_node.h"
#include "vswitch/checksum.h"
#include "vswitch/device/virtio_header.h"
#include "vswitch/headers.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr BridgeId lan{0};
constexpr BridgeId other{1};
constexpr PortId tap{0};
constexpr PortId trunk{1};
constexpr PortId other_tap{2};
constexpr PortId tun{3};
constexpr PortId lan_leg{4};
constexpr PortId other_leg{5};
constexpr PortId esp_port{6};
constexpr PortId plain_port{7};
constexpr PortId keyless_port{8};
constexpr PeerId esp_peer{0};
constexpr PeerId plain_peer{1};
constexpr PeerId keyless_peer{2};
constexpr Vni lan_vni{100};

constexpr Endpoint endpoint(std::uint8_t host) {
    return {.address = IpAddress::v4({192, 0, 2, host}), .port = 4500};
}

constexpr Prefix network(std::uint8_t number, std::uint8_t length = 24) {
    return {.address = IpAddress::v4({10, number, 0, 1}), .length = length};
}

constexpr Prefix network_v6(std::uint8_t number) {
    return {.address = IpAddress::v6({0x20, 1, 0x0D, 0xB8, 0, number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}),
            .length = 64};
}

constexpr MacAddress station(std::uint8_t number) {
    return number % 8 == 7 ? broadcast_mac
                           : MacAddress{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(number % 8)}};
}

class FuzzedNode : public SingleNode {
  public:
    FuzzedNode() : SingleNode(256) {
        constexpr MacTable::Limits few{.entries = 16, .entries_per_port = 8};
        topology().add_bridge(lan, {.vni = lan_vni, .limits = few});
        topology().add_bridge(other, {.vni = Vni{200}, .limits = few, .arp_suppress = true});
        topology().add_frame_device(tap, lan, {});
        topology().add_frame_device(trunk, lan, {.vlans = VlanFilter::trunk({VlanId{10}, VlanId{20}})});
        topology().add_frame_device(other_tap, other, {});
        topology().add_datagram_device(tun, {network(1), network_v6(1)}, 600);
        topology().add_leg(lan_leg, lan,
                           {.mac = station(1), .addresses = {network(2), network_v6(2)}, .mtu = 1500});
        topology().add_leg(other_leg, other,
                           {.mac = station(2), .addresses = {network(3), network_v6(3)}, .mtu = 68});
        topology().add_peer(esp_peer, esp_port,
                            {.endpoint = endpoint(1),
                             .bridges = {lan},
                             .prefixes = {network(4), network_v6(4)},
                             .liveness = {.keepalive = std::chrono::seconds{1}}});
        topology().add_peer(
            plain_peer, plain_port,
            {.encrypted = false, .endpoint = endpoint(2), .bridges = {lan, other}, .liveness = {}});
        topology().add_peer(keyless_peer, keyless_port,
                            {.bridges = {other}, .prefixes = {network(5)}, .liveness = {}});
        datapath.admit_control(PublicKey{});
        datapath.renew_cookies(CookieSecret{});
        datapath.install_manual(esp_peer, {sa_keys(300), sa_keys(400), 1, 100'000}, now);
    }

    void step(std::uint8_t operation, std::uint8_t argument, std::span<const std::uint8_t> input) {
        constexpr std::array frame_ports{tap, trunk, other_tap, PortId{77}};
        Bytes bytes{input.begin(), input.end()};
        switch (operation % 10) {
            case 0:
                return from_port(frame_ports[argument % 4], bytes);
            case 1:
                return from_port(frame_ports[argument % 4], make_frame(argument, bytes));
            case 2:
                return from_port(tun, repaired(std::move(bytes), argument));
            case 3:
                return offloaded(argument, input);
            case 4:
                return from_underlay(Channel::vxlan, endpoint(argument % 4), bytes);
            case 5:
                return from_underlay(
                    Channel::vxlan, endpoint(2),
                    in_vxlan(argument % 2 == 0 ? lan_vni : Vni{200}, make_frame(argument, bytes), false));
            case 6:
                return from_underlay(Channel::esp, endpoint(argument), bytes);
            case 7:
                return from_underlay(Channel::esp, endpoint(1),
                                     far_.seal(repaired(std::move(bytes), argument), argument));
            case 8:
                return from_underlay(Channel::esp, endpoint(1),
                                     far_.seal(in_vxlan(lan_vni, make_frame(argument, bytes)), 17));
            default:
                return tick(std::chrono::milliseconds{argument * 10});
        }
    }

    [[nodiscard]] bool holds_too_much() const {
        return held() > 2 * std::size_t{NeighborLimits{}.parked} + 2 * Peer::max_parked;
    }

  private:
    // Two of the few stations in front, and IPv4, IPv6, ARP or a tag.
    static Bytes make_frame(std::uint8_t argument, const Bytes& payload) {
        constexpr std::array types{ether_type::ipv4, ether_type::ipv6, ether_type::arp, ether_type::vlan};
        const std::uint16_t type = types[argument >> 6U];
        const Bytes inside = repaired(payload, argument);
        Bytes frame;
        for (const MacAddress& address :
             {station(argument & 7U), station(static_cast<std::uint8_t>(argument >> 3U & 7U))})
            frame.insert(frame.end(), address.octets.begin(), address.octets.end());
        frame.push_back(static_cast<std::uint8_t>(type >> 8U));
        frame.push_back(static_cast<std::uint8_t>(type));
        frame.insert(frame.end(), inside.begin(), inside.end());
        return frame;
    }

    // With the header checksum right, if this is nearly IPv4, and mostly with the right length, too.
    static Bytes repaired(Bytes datagram, std::uint8_t argument) {
        auto* ip = writable_view<Ipv4Header>(datagram);
        if (ip == nullptr || ip->version_ihl >> 4U != 4) return datagram;
        if (argument % 4 != 0) ip->total_length = static_cast<std::uint16_t>(datagram.size());
        const std::size_t size = ip->header_size();
        if (size < sizeof *ip || size > datagram.size()) return datagram;
        ip->checksum = std::uint16_t{0};
        ip->checksum = ipv4_header_checksum(std::span{datagram}.first(size));
        return datagram;
    }

    // As a device reads it: behind a virtio_net_hdr, which is checked.
    void offloaded(std::uint8_t argument, std::span<const std::uint8_t> input) {
        VirtioHeader header;
        if (input.size() < sizeof header) return;
        std::memcpy(&header, input.data(), sizeof header);
        header.gso_size = std::max<std::uint16_t>(header.gso_size, 8);  // else the pool is soon dry
        Bytes bytes{input.begin() + sizeof header, input.end()};
        const bool is_frame = argument % 2 == 0;
        bytes = is_frame ? make_frame(argument, bytes) : repaired(std::move(bytes), argument);
        Packet packet = pool.take(bytes);
        if (!packet || !apply_virtio_header(header, is_frame ? LinkLayer::ethernet : LinkLayer::none, packet))
            return;
        from_port(is_frame ? tap : tun, std::move(packet));
    }

    SaEnd far_{400, 300};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedNode node;
    std::span input(data, std::min<std::size_t>(size, 8192));
    while (input.size() >= 3) {
        const std::size_t length = std::min<std::size_t>(input[2], input.size() - 3);
        node.step(input[0], input[1], input.subspan(3, length));
        node.datapath.events().clear();
        if (node.holds_too_much()) std::abort();
        input = input.subspan(3 + length);
    }
    for (int second = 0; second < 10; ++second) node.tick(std::chrono::seconds{1});
    if (node.held() != 0) std::abort();
    return 0;
}
