// What the two sides of the fast path share, its ports (fast_path.h) and its flows (fast_flows.h): the
// programs, the maps, and which ports there are. For their .cpp files alone.
//
// Threads: `mutex` is for all that follows it. Whoever inserts a flow takes it, thousands of times a second
// at most; packets do not.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "vswitch/bpf/layout.h"
#include "vswitch/bpf_support.h"
#include "vswitch/fast_path.h"
#include "vswitch/flow.h"
#include "vswitch/port_hooks.h"
#include "vswitch/system.h"

struct port_bpf;

namespace weft {

struct FastPort {
    bool is_veth = false;
    bool is_tunnel = false;
    bool leads_elsewhere = false;  // to another namespace
    bool merges = false;           // TCP that its host end sends
    unsigned device = 0;
    unsigned patch = 0;  // of a veth
    LinkLayer link = LinkLayer::ethernet;
    std::vector<Hook> hooks;
    bool carries = true;       // or what is redirected does not arrive
    bool is_impaired = false;  // its packets have to pass weftd
    FastPath::Tunnel tunnel{};
    std::uint16_t next_hop = 0;
    std::map<Vni, std::uint32_t> sources{};  // of a tunnel: that it has in the kernel
};

// How a packet gets from one to the other.
fast_redirect redirect_between(const FastPort& in, const FastPort& out, std::uint8_t protocol) noexcept;
bool arrives(const FastPort& in, const FastPort& out, std::uint32_t redirect) noexcept;

__be32 to_kernel(const IpAddress& address) noexcept;
__be32 to_kernel(Vni vni) noexcept;  // as in VXLAN's header

// `source`: a device, or a peer's number. Nothing: such packets have no flow.
std::optional<fast_flow_key> kernel_key(const FlowKey& flow, std::uint32_t source) noexcept;

struct FastPathKernel {
    FastPathKernel() noexcept = default;
    FastPathKernel(const FastPathKernel&) = delete;
    FastPathKernel& operator=(const FastPathKernel&) = delete;
    ~FastPathKernel();

    // False: errno says why.
    bool load(const FastPath::Options& wanted);

    void close_programs() noexcept;

    // The last one is the probes' (path_probe.h).
    [[nodiscard]] std::uint32_t slots() const noexcept { return options.max_flows * options.parts + 1; }

    // What the flows of a port have as ifindex; nothing: they have none.
    [[nodiscard]] std::optional<std::uint32_t> source_of(PortId in, FastPort& port,
                                                         std::optional<Vni> vni) noexcept;
    void forget_sources(FastPort& tunnel) const noexcept;

    FastPath::Options options;
    std::uint32_t processors = 0;
    port_bpf* programs = nullptr;
    HookPrograms hooks;
    int uplink_ingress = -1;
    int uplink_unwrap = -1;
    int tunnels = -1;  // a map
    std::uint8_t* ports_off = nullptr;
    MapMemory<fast_action> actions;
    MapMemory<fast_count> counts;
    MapMemory<fast_misses> misses;
    MapMemory<fast_next_hop> next_hops;
    MapMemory<fast_numbers> generations;
    std::vector<Descriptor> rings;  // of the parts' samples

    std::mutex mutex;
    std::map<PortId, FastPort> ports;
    std::vector<Hook> uplinks;
    std::set<unsigned> silent_uplinks;            // by which nothing is carried
    std::uint16_t next_hop = 0;                   // the last one that was written
    std::vector<std::pair<PortId, Vni>> sources;  // by number, from fast_from_tunnel on

  private:
    bool make_rings();
};

}  // namespace weft
