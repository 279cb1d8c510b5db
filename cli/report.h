// What a node says about itself over the control socket: a Snapshot of the packet path (ids and counters) and
// the Names that the control thread knows (what the ids stand for), made into the JSON results of the methods
// of the same names. Pure functions.
//
// Keys are stable: they are the interface that scripts rely on. Units stand in the key: _bytes, _packets, _s
// (seconds, with milliseconds as decimals). rx is into weft, tx out of it. What does not apply or is not
// known is null, never absent. An id without a name appears as its number: "port 7".
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "crypto/key.h"
#include "overlay/snapshot.h"
#include "vswitch/address.h"
#include "vswitch/emulation/impairment.h"
#include "vswitch/id.h"

namespace weft {

struct PortInfo {
    enum class Kind : std::uint8_t { tap, tun, veth, packet, tunnel, leg };

    std::string name;  // tunnel: the peer's; leg: the bridge's
    Kind kind = Kind::tap;
    std::optional<std::string> bridge{};
    std::optional<std::string> peer{};    // tunnel
    std::optional<std::string> device{};  // of the kernel
    std::optional<std::string> netns{};
    std::optional<std::uint16_t> mtu{};
    std::optional<MacAddress> mac{};
    std::optional<VlanId> vlan{};
    std::vector<VlanId> trunk{};
    std::vector<Prefix> addresses{};
    bool spoof_check = false;
    bool isolated = false;
    std::optional<PortLink> link{};  // it is impaired
};

struct BridgeInfo {
    std::string name;
    std::optional<Vni> vni;
};

struct PeerInfo {
    // How its packets are protected: by handshake's keys, by keys set by hand, not at all.
    enum class Protection : std::uint8_t { esp, manual, none };

    std::string name;
    Protection protection = Protection::esp;
    std::optional<PublicKey> public_key;
    std::vector<std::string> bridges;
    std::vector<Prefix> prefixes;

    // What the handshaker knows, at the moment of the report.
    std::optional<Duration> last_handshake;  // absent: none so far
    bool handshaking = false;
    bool silent = false;  // what was sent to it is not answered
    std::uint64_t handshakes = 0;
};

struct UplinkInfo {
    std::string device;
    std::optional<std::string> early_drop{};  // "xdp native", "xdp generic"; absent: the workers drop
    std::string why_not{};                    // empty: it is there
};

struct NodeInfo {
    std::string name;
    std::int64_t pid = 0;
    Duration uptime{};
    unsigned workers = 1;
    std::optional<PublicKey> public_key;
    Endpoint esp;
    std::optional<Endpoint> vxlan;                      // absent: no plain peer
    std::optional<std::string> device;                  // the underlay is bound to it
    std::string fast_path = "off";                      // "tc"
    std::string why_no_fast_path;                       // empty: there is one
    std::map<std::string, std::string> failed_paths{};  // "port c1", "uplink eth0": why no flow is carried
    std::vector<UplinkInfo> uplinks;                    // if anything is to be known of them
    std::vector<std::string> warnings;                  // "keylog is on: session keys are written to FILE"
};

struct Names {
    NodeInfo node;
    std::map<PortId, PortInfo> ports;
    std::map<BridgeId, BridgeInfo> bridges;
    std::map<PeerId, PeerInfo> peers;
};

std::string_view to_string(PortInfo::Kind kind) noexcept;              // "tap"
std::string_view to_string(PeerInfo::Protection protection) noexcept;  // "esp"

nlohmann::json report_status(const Snapshot& snapshot, const Names& names);
nlohmann::json report_ports(const Snapshot& snapshot, const Names& names);  // {"ports": [...]}
nlohmann::json report_fdb(const Snapshot& snapshot, const Names& names);    // {"stations": [...]}
nlohmann::json report_routes(const Snapshot& snapshot,
                             const Names& names);  // {"routes": [...], "neighbors": [...]}
nlohmann::json report_peers(const Snapshot& snapshot, const Names& names);  // {"peers": [...]}

// {"flows": [...], "flow_table": {...}}: one for each direction, the busiest first, as many as the snapshot
// has.
nlohmann::json report_flows(const Snapshot& snapshot, const Names& names);

// {"denied": [...]}; "kernel_packets" are among "packets", "path" is who drops first: "kernel" or "weft".
nlohmann::json report_denied(const Snapshot& snapshot, const Names& names);

// {"drops": [...]}: one for each reason that has occurred, at a port, a peer or the underlay; also
// `ring_full`, which the kernel counts (a port's `ring_drops`) and `dropped_packets` does not.
nlohmann::json report_drops(const Snapshot& snapshot, const Names& names);

}  // namespace weft
