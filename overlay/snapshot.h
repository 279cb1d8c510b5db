// What a node knows about itself at one moment, as plain data: each worker fills its part on request, the
// control thread makes one of them all, adds names and sends it to `weft`. Counters are totals since start;
// times are ages.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crypto/aead.h"
#include "vswitch/address.h"
#include "vswitch/device/impaired_device.h"
#include "vswitch/drop.h"
#include "vswitch/flow_table.h"
#include "vswitch/id.h"
#include "vswitch/mac_table.h"
#include "vswitch/route_table.h"

namespace weft {

struct TrafficCounters {
    std::uint64_t rx_packets = 0;  // into weft from the port / peer
    std::uint64_t rx_bytes = 0;
    std::uint64_t tx_packets = 0;  // out of weft
    std::uint64_t tx_bytes = 0;
};

struct PortSnapshot {
    PortId port;
    TrafficCounters traffic;
    DropCounters drops;
    std::optional<std::uint64_t> ring_drops{};  // by the kernel, on the way into weft; absent: no telling
    std::optional<PortLinkCounters> link{};     // of an impaired port
};

struct PeerSnapshot {
    PeerId peer;
    PortId port;
    std::optional<Endpoint> endpoint;
    std::optional<Cipher> cipher;             // of the current session
    std::optional<Duration> session_age;      // absent: no session
    std::optional<Duration> last_heard;       // absent: never
    std::optional<std::uint16_t> path_mtu{};  // of the underlay, as measured; absent: not probed
    std::uint64_t sealed_packets = 0;         // with the current outbound SAs
    std::vector<TrafficCounters> workers{};   // of its traffic, by worker
};

struct StationSnapshot {
    BridgeId bridge;
    MacEntry entry;
    Duration age{};
};

struct NeighborSnapshot {
    PortId leg;
    IpAddress address;
    MacAddress mac;
    bool reachable = false;
};

struct FlowSnapshot {
    Flow flow;
    Duration age{};   // since the first packet
    Duration idle{};  // since the last one
};

struct FlowTableSnapshot {
    std::uint32_t flows = 0;
    std::uint32_t limit = 0;
    std::uint64_t evicted = 0;  // by others, the table being full
};

struct DeniedSnapshot {
    Prefix prefix;
    std::uint64_t packets = 0;  // that were dropped
    std::uint64_t bytes = 0;    // of UDP's payload

    // Of the node as a whole, by whoever knows of it (cli/uplink_guard.h).
    std::uint64_t early_packets = 0;  // of `packets`: by the kernel
    bool is_early = false;            // the kernel drops them first
};

// Flows that are carried past the datapath.
struct OffloadSnapshot {
    std::uint32_t flows = 0;  // now
    std::uint64_t inserted = 0;
    std::uint64_t withdrawn = 0;
    std::uint64_t put_off = 0;   // more a second than the limit
    std::uint64_t checked = 0;   // packets that were compared
    std::uint64_t differed = 0;  // of them
};

struct Snapshot {
    std::vector<PortSnapshot> ports;  // devices, tunnels and legs alike
    std::vector<PeerSnapshot> peers;
    std::vector<StationSnapshot> stations;
    std::vector<NeighborSnapshot> neighbors;
    std::vector<Route> routes;
    std::vector<FlowSnapshot> flows;  // the busiest first, as many as were asked for
    FlowTableSnapshot flow_table;
    OffloadSnapshot offload;
    std::vector<DeniedSnapshot> denied;
    DropCounters underlay_drops;  // of datagrams that belong to no peer
    std::uint32_t pool_available = 0;
    std::uint32_t pool_size = 0;
    std::vector<TrafficCounters> workers;  // with devices and peers, by worker
};

// The parts of all workers, in their order, as one: counters are summed, tables united. The parts are used
// up.
Snapshot merge(std::span<const std::unique_ptr<Snapshot>> parts);

}  // namespace weft
