// The fast path: BPF programs (bpf/port.bpf.c) at the ports' devices that repeat, for packets of established
// flows, what the datapath has decided, without waking it. Whatever has no flow, or is not plain TCP or UDP
// in one piece, goes to the datapath as if there were no fast path.
//
//     container         |         the daemon's namespace
//                       |
//     eth0 =veth=======host end --- veth_ingress --flow--> another port
//      ^                |               |
//      |                |               +------miss------> patch TAP --> its descriptor, read by weftd
//      +----------------------------- patch_ingress <----- patch TAP <-- its descriptor, written by weftd
//
//     this namespace's stack --> TAP or TUN --- t?p_egress --flow--> another port
//                                                   +--------miss--> its descriptor, read by weftd
//
//     peers --> uplink --- uplink_ingress --flow--> a port, decapsulated
//                               +-----------miss--> this namespace's stack, weftd's socket
//     a port's flow to a plain peer --> encapsulated, and out by the uplink as the kernel routes it
//
// This is the side of the ports: which devices there are, and how peers are reached. The flows are given by
// fast_flows.h, in as many *parts* as there are threads that decide about them: each has its own flows,
// generations and samples, and none waits for another.
//
// Packets that never have a flow: not TCP or UDP over IPv4 or IPv6; fragments, IP options, extension headers;
// TCP with SYN, FIN or RST; a tag; a destination MAC address of a group; longer than the action's MTU, or
// than what the uplink's device sends whole; from a peer, UDP without a checksum, and VXLAN whose outer UDP
// datagram the kernel has merged with others (GRO for a socket with UDP_GRO).
//
// After the ports are there no privilege is needed: BPF system calls on maps that are open, and memory. The
// links go away with the object, and with the process; on kernels before 6.6 filters (clsact) take their
// place, which a killed process leaves behind, and the next one replaces.
//
// Owner: one thread calls; each part may have another one. Ports and tunnels are behind a lock that those
// take to insert a flow.
//
// Limits: one network namespace (but for a veth's other end). Kernel 6.1 or newer. Memory in the kernel: 300
// bytes a flow, and 32 for each CPU; 768 KiB for each part.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "vswitch/address.h"
#include "vswitch/id.h"
#include "vswitch/port_hooks.h"
#include "vswitch/system_call.h"

namespace weft {

class FastFlows;
struct FastPathKernel;

class FastPath {
  public:
    struct Options {
        std::uint32_t max_flows = 16384;    // of each part
        unsigned parts = 1;                 // 65535 at most
        std::uint16_t vxlan_port = 0;       // where peers send to; 0: there are none
        std::uint32_t sample_every = 4096;  // packets of a flow, on each CPU
        HookKind hooks = HookKind::best;
    };

    // What was attempted, why it failed, and the cure.
    using Failure = std::string;

    // Loads the programs. Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, or root.
    static std::expected<FastPath, Failure> open(const Options& options);

    FastPath(FastPath&&) noexcept;
    FastPath& operator=(FastPath&&) noexcept;
    ~FastPath();

    // Of this part, once; they may outlive this object. Throws std::runtime_error.
    [[nodiscard]] std::unique_ptr<FastFlows> flows(unsigned part);

    // For whoever puts them at a port's devices in another process; valid until close_programs().
    [[nodiscard]] HookPrograms hook_programs() const noexcept;

    // What that process has done, or the next two.
    void add(PortId port, PortHooks hooks);

    // --- ports: devices of the calling thread's network namespace, by their interface index ---

    // The end of a veth that is here, and the TAP (IFF_VNET_HDR, up) by which weftd reads and writes what is
    // for the other end.
    std::expected<void, Failure> add_veth(PortId port, unsigned host_end, unsigned patch_tap);

    // A TAP or TUN that weftd reads and writes itself.
    std::expected<void, Failure> add_device(PortId port, unsigned device);

    // A device by which peers' packets come in. It is tried (uplink_probe.h): a failure says also that
    // nothing comes through, and then no flow goes out by it.
    std::expected<void, Failure> add_uplink(unsigned device);

    // An XDP program for the uplinks, to be run at their drivers: it takes VXLAN off TCP, so that the kernel
    // merges what belongs together. What changes between it and the rest of the way costs packets that are on
    // it.
    [[nodiscard]] int unwrapping_program() const noexcept;

    // How a peer is reached by plain VXLAN (RFC 7348) over IPv4: from this address, which its packets come to
    // as well, out by this device.
    struct Tunnel {
        IpAddress local;
        Endpoint remote;
        unsigned device = 0;

        friend bool operator==(const Tunnel&, const Tunnel&) noexcept = default;
    };

    // Needs no privilege. As often as it changes; its flows, in and out, that were inserted before must be
    // made to miss then, by those who have. False: it has no flows.
    bool set_tunnel(PortId port, const Tunnel& tunnel) noexcept;

    // Its flows, in and out, must be made to miss then.
    void remove(PortId port) noexcept;

    // No port is added any more: then the programs can be attached nowhere else, whatever becomes of this
    // process. To be called before a sandbox is entered that lets programs be attached (early_drop.h).
    void close_programs() noexcept;

    // Off: all flows that come in there miss. On at first.
    void set_enabled(PortId port, bool enabled) noexcept;

    // Impaired: no flow from it or to it is taken any more. Those that it has must be made to miss then.
    void set_impaired(PortId port, bool impaired) noexcept;

    // Packets (super-frames count once) that went to the datapath, since the start.
    struct Misses {
        std::uint64_t unsuitable = 0;  // of a kind that never has a flow
        std::uint64_t unknown = 0;     // no flow
        std::uint64_t stale = 0;       // of a flow with a changed generation, or the port is off
        std::uint64_t too_big = 0;
    };

    [[nodiscard]] Misses misses() const noexcept;

  private:
    explicit FastPath(std::shared_ptr<FastPathKernel> kernel) noexcept;

    std::shared_ptr<FastPathKernel> kernel_;
};

inline constexpr std::array fast_path_system_calls{
    SystemCall{SYS_bpf, 0, 2},  // BPF_MAP_UPDATE_ELEM
    SystemCall{SYS_bpf, 0, 3},  // BPF_MAP_DELETE_ELEM
    SystemCall{SYS_close},
};

}  // namespace weft
