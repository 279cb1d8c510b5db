// A node's configuration as plain, validated data: what load() made of a file, what diff() compares, what the
// daemon applies. Names are unique within their kind and every reference (a port's bridge, a route's peer) is
// resolved: whoever holds a Config need not check it again. Key files have been read; secrets are in Secret
// types, and so a Config can be moved but not copied. Equality is by value, secrets included.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/key.h"
#include "crypto/sa.h"
#include "vswitch/address.h"
#include "vswitch/emulation/impairment.h"
#include "vswitch/id.h"

namespace weft::config {

struct Node {
    static constexpr unsigned automatic = 0;
    static constexpr unsigned max_workers = 16;

    std::string name;
    unsigned workers = 1;                   // or automatic: one for each CPU
    std::string control;                    // path of the Unix socket; default /run/weft/NAME.sock
    std::string state_dir;                  // path of what outlives a restart; default /var/lib/weft
    std::optional<PrivateKey> private_key;  // there if any peer has encryption = "esp" and is not manual
    PublicKey public_key;
    std::optional<std::string> keylog;  // path
    std::optional<std::string> user;    // to run as; absent: "weft" if there is one

    friend bool operator==(const Node& a, const Node& b) noexcept;
};

struct Underlay {
    std::optional<std::string> device;
    Endpoint esp;                      // default 0.0.0.0:4500
    Endpoint vxlan;                    // default 0.0.0.0:4789
    std::optional<std::uint16_t> mtu;  // of the underlay's path; absent: asked of the kernel at start
    std::vector<Prefix> deny;          // outer sources that nothing is taken from

    friend bool operator==(const Underlay&, const Underlay&) = default;
};

// What a running daemon changes without a restart: [offload], and busy_poll of [node].
struct Tuning {
    bool tun_gso = true;                     // the kernel hands over super-frames
    bool tun_gro = true;                     // packets are joined to super-frames for the kernel
    bool udp_gso = true;                     // UDP_SEGMENT
    bool udp_gro = true;                     // UDP_GRO
    std::chrono::microseconds busy_poll{0};  // how long to look for more packets before sleeping; 0: off

    friend bool operator==(const Tuning&, const Tuning&) = default;
};

struct Bridge {
    std::string name;
    std::optional<Vni> vni;  // absent: local only, cannot be stretched to a peer
    std::chrono::seconds aging{300};
    std::uint32_t max_stations = 8192;
    std::uint32_t max_stations_per_port = 4096;
    std::vector<Prefix> gateway;
    std::optional<MacAddress> gateway_mac;  // absent: derived from the names of node and bridge
    bool arp_suppress = false;              // answers ARP and neighbor discovery for stations that it knows
    bool masquerade = false;  // its networks reach the host's, and beyond, by the host's addresses

    friend bool operator==(const Bridge&, const Bridge&) = default;
};

// Flows that the kernel carries past the daemon.
struct FastPath {
    enum class Mode : std::uint8_t {
        automatic,  // where it is to be had
        off,
        tc,   // or the daemon does not start
        xdp,  // the same, and the early drop is there from the start
    };

    Mode mode = Mode::automatic;
    std::uint32_t max_flows = 16384;   // that are known at a time, to each worker
    std::uint32_t check_every = 4096;  // packets of a flow, of which one is compared
    std::vector<std::string> uplinks;  // devices by which peers are reached; empty: found by the routes

    friend bool operator==(const FastPath&, const FastPath&) = default;
};

std::string_view to_string(FastPath::Mode mode) noexcept;  // as it is written

struct Port {
    enum class Type : std::uint8_t { tap, tun, veth, packet };
    enum class Patch : std::uint8_t { automatic, tc };

    std::string name;  // of the port
    Type type = Type::tap;
    std::string device;                 // name of the network device; default: the port's name
    std::optional<std::string> netns;   // a name under /run/netns or an absolute path; required for veth
    std::optional<std::string> bridge;  // required but for tun, where it is forbidden
    std::optional<VlanId> vlan;
    std::vector<VlanId> trunk;
    std::vector<Prefix> address;
    std::optional<MacAddress> mac;
    std::optional<std::uint16_t> mtu;
    Patch patch = Patch::automatic;   // veth: what joins its host end to weft
    bool fast_path = true;            // its flows may be carried by the kernel
    std::uint32_t txqueuelen = 1000;  // packets that wait in the device to be read
    bool keep = false;                // veth: the pair outlives weftd
    bool kernel_routes =
        true;  // tun: install routes to the peers' prefixes and the gateways' networks into its namespace
    bool spoof_check =
        false;  // nothing but `mac` and `address` may be its sources; packet: these are of who is behind
    bool isolated = false;             // from the other isolated ports of its bridge
    std::optional<PortLink> impair{};  // the link between the device and weft is an emulated one
    bool implied = false;              // not in the file: config/outside.h

    friend bool operator==(const Port&, const Port&) = default;
};

struct Route {
    Prefix to;
    std::optional<IpAddress> via;
    std::optional<std::string> peer;
    std::optional<std::string> port;
    bool implied = false;  // not in the file: config/outside.h

    friend bool operator==(const Route&, const Route&) = default;
};

// Security associations agreed on by hand.
struct ManualSa {
    SaKeys outbound;
    SaKeys inbound;
    std::string counter_file;  // where the outbound sequence number is reserved
};

struct Peer {
    enum class Encryption : std::uint8_t { esp, none };

    std::string name;
    Encryption encryption = Encryption::esp;
    PublicKey public_key;  // esp without manual
    std::optional<PresharedKey> preshared_key;
    std::optional<std::string> endpoint_host;  // as written, a name or an address; resolved by the daemon
    std::uint16_t endpoint_port = 0;
    std::optional<ManualSa> manual;
    std::vector<std::string> bridges;
    std::vector<Prefix> prefixes;
    std::chrono::seconds keepalive{0};             // 0: off
    std::chrono::seconds dead_peer_detection{30};  // of silence, before the peer is asked; 0: off
    std::uint32_t replay_window = 8192;            // packets

    [[nodiscard]] bool is_plain() const noexcept { return encryption == Encryption::none; }

    friend bool operator==(const Peer& a, const Peer& b) noexcept;
};

// Equal but for what it is stretched and routed to, which can change without a new session.
bool same_but_reach(const Peer& a, const Peer& b) noexcept;

struct Config {
    Node node;
    Underlay underlay;
    Tuning tuning;
    FastPath fast_path;
    std::vector<Bridge> bridges;
    std::vector<Port> ports;
    std::vector<Route> routes;
    std::vector<Peer> peers;
};

}  // namespace weft::config
