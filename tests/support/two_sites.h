// Two simulated sites with a bridge and a TUN each, stretched and routed to each other, and counts of what
// arrives at their hosts.
#pragma once

#include "tests/support/packet_builder.h"
#include "tests/support/simulated_network.h"

namespace weft::test {

inline constexpr BridgeId lan{0};
inline constexpr PortId tap{0};
inline constexpr PortId tun{1};
inline constexpr Vni vni{100};

inline MacAddress host_mac(const Node& node) {
    return {{0x02, 0, 0, 0, static_cast<std::uint8_t>(node.index() >> 8U),
             static_cast<std::uint8_t>(node.index())}};
}

inline IpAddress host_ip(const Node& node) {
    return IpAddress::v4({10, 20, static_cast<std::uint8_t>(node.index()), 2});
}

inline Prefix site_prefix(const Node& node) {
    return Prefix{host_ip(node), 24}.network();
}

// A bridge on every node, and a TUN with a prefix of its own.
inline void make_site(Node& node) {
    node.topology().add_bridge(lan, {.vni = vni, .limits = {}});
    node.topology().add_frame_device(tap, lan, {});
    node.topology().add_datagram_device(tun, {{host_ip(node), 24}}, 1438);
}

// Two sites, each knowing the other; `a_knows` and `b_knows`: the other's endpoint is configured.
struct TwoSites {
    explicit TwoSites(std::uint64_t seed, LinkOptions links = {}, bool a_knows = true, bool b_knows = true,
                      Duration keepalive = Duration{0})
        : network(seed, links), a(network.add_node()), b(network.add_node()) {
        a.configure([this, a_knows, keepalive](Node& node) {
            make_site(node);
            node.add_peer(b, {.bridges = {lan},
                              .prefixes = {site_prefix(b)},
                              .know_endpoint = a_knows,
                              .keepalive = keepalive});
        });
        b.configure([this, b_knows, keepalive](Node& node) {
            make_site(node);
            node.add_peer(a, {.bridges = {lan},
                              .prefixes = {site_prefix(a)},
                              .know_endpoint = b_knows,
                              .keepalive = keepalive});
        });
        a.on_output = [this](PortId port, std::span<const std::uint8_t>) {
            ++(port == tap ? frames_at_a : datagrams_at_a);
        };
        b.on_output = [this](PortId port, std::span<const std::uint8_t>) {
            ++(port == tap ? frames_at_b : datagrams_at_b);
        };
    }

    void datagram(Node& from, const Node& to) {
        from.send(tun, PacketBuilder().ip(host_ip(from), host_ip(to)).udp(1000, 2000).payload(100).build());
    }

    void frame(Node& from, const Node& to) {
        from.send(tap, PacketBuilder()
                           .ethernet(host_mac(to), host_mac(from))
                           .ip(host_ip(from), host_ip(to))
                           .udp(1, 2)
                           .build());
    }

    Network network;
    Node& a;
    Node& b;
    int frames_at_a = 0;
    int frames_at_b = 0;
    int datagrams_at_a = 0;
    int datagrams_at_b = 0;
};

}  // namespace weft::test
