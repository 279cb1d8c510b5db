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
// A *flow* is its FlowKey (the VLAN is not looked at: tagged frames never have a flow) at the port where it
// comes in. It lives in a *slot*, a number below `max_flows` that the caller hands out; the slot has the
// counts.
//
// A *generation* is a number that decisions depend on (of a port, a peer, a station, ...): what it stands for
// is the caller's. A flow names up to four with the values that they had; as soon as one has another, all
// flows that name it miss. That is one store to memory, for any number of flows. Generation 0 is for unused
// dependencies and stays 0.
//
// Packets that never have a flow: not TCP or UDP over IPv4 or IPv6; fragments, IP options, extension headers;
// TCP with SYN, FIN or RST; a tag; a destination MAC address of a group; longer than the action's MTU, or
// than what the uplink's device sends whole; from a peer, UDP without a checksum, and VXLAN whose outer UDP
// datagram the kernel has merged with others (GRO for a socket with UDP_GRO).
//
// Counts are those of the wire: a super-frame is as many packets as it has segments, and each has all headers
// from Ethernet's on (without padding, preamble and checksum).
//
// A slot may be used again at once. A packet that is under way on another CPU while its flow is erased still
// goes by its old action or misses, never by the new flow's; it may be counted in the new one.
//
// After the ports are there no privilege is needed: BPF system calls on maps that are open, and memory. The
// links go away with the object, and with the process; on kernels before 6.6 filters (clsact) take their
// place, which a killed process leaves behind, and the next one replaces.
//
// Limits: one network namespace (but for a veth's other end), one thread. Kernel 6.1 or newer. Memory in the
// kernel: 300 bytes a flow, and 32 for each CPU.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "vswitch/address.h"
#include "vswitch/flow.h"
#include "vswitch/flow_offload.h"
#include "vswitch/id.h"
#include "vswitch/port_hooks.h"
#include "vswitch/system_call.h"

namespace weft {

class FastPath final : public FlowOffload {
  public:
    struct Options {
        std::uint32_t max_flows = 16384;
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
    ~FastPath() override;

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

    // A device by which peers' packets come in.
    std::expected<void, Failure> add_uplink(unsigned device);

    [[nodiscard]] bool has_uplinks() const noexcept;

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

    // Needs no privilege. As often as it changes; its flows, in and out, must have been made to miss before.
    // False: it has no flows.
    bool set_tunnel(PortId port, const Tunnel& tunnel) noexcept;

    // Its flows, in and out, must have been made to miss before.
    void remove(PortId port) noexcept;

    // No port is added any more: then the programs can be attached nowhere else, whatever becomes of this
    // process. To be called before a sandbox is entered that lets programs be attached (early_drop.h).
    void close_programs() noexcept;

    // Off: all flows that come in there miss. On at first.
    void set_enabled(PortId port, bool enabled) noexcept;

    // --- flows ---

    bool insert(std::uint32_t slot, const FlowKey& key, PortId in, const Action& action) noexcept override;
    bool erase(std::uint32_t slot) noexcept override;

    static constexpr std::size_t generation_count = 65536;

    // To be written by std::atomic_ref.
    [[nodiscard]] std::span<std::uint32_t> generations() const noexcept;

    // --- what happened: read from memory, no system call ---

    [[nodiscard]] Totals read(std::uint32_t slot) const noexcept override;

    // Of the slots from `first` on.
    void read(std::uint32_t first, std::span<Totals> totals) const noexcept;

    // Packets (super-frames count once) that went to the datapath, since the start.
    struct Misses {
        std::uint64_t unsuitable = 0;  // of a kind that never has a flow
        std::uint64_t unknown = 0;     // no flow
        std::uint64_t stale = 0;       // of a flow with a changed generation, or the port is off
        std::uint64_t too_big = 0;
    };

    [[nodiscard]] Misses misses() const noexcept;

    // --- samples: packets that went the fast way, for a comparison with what the datapath would have done
    // ---

    struct Sample {
        std::uint32_t slot = 0;
        std::uint32_t tag = 0;  // of the action
        PortId in = no_port;
        Action::Kind kind = Action::Kind::drop;
        PortId out = no_port;                   // no_port: it arrived nowhere
        std::optional<Vni> vni = std::nullopt;  // by which it came or went
        std::uint32_t size = 0;                 // of the packet
        std::uint16_t gso_size = 0;
        bool is_frame = true;                 // else the bytes begin with the IP header
        std::span<const std::uint8_t> bytes;  // its first ones, up to 256, as it goes out inside of VXLAN
    };

    // Readable when samples wait: the first packet after each insertion or change, and 1 of `sample_every`.
    // Those that find no room are left out.
    [[nodiscard]] int sample_descriptor() const noexcept;

    // Returns how many there were.
    std::size_t take_samples(const std::function<void(const Sample&)>& take);

  private:
    struct Kernel;

    explicit FastPath(std::unique_ptr<Kernel> kernel) noexcept;

    std::unique_ptr<Kernel> kernel_;
};

inline constexpr std::array fast_path_system_calls{
    SystemCall{SYS_bpf, 0, 2},  // BPF_MAP_UPDATE_ELEM
    SystemCall{SYS_bpf, 0, 3},  // BPF_MAP_DELETE_ELEM
    SystemCall{SYS_close},
};

}  // namespace weft
