// One part of the fast path's flows (fast_path.h), and who has it: its worker.
//
// A *flow* is its FlowKey (the VLAN is not looked at: tagged frames never have a flow) at the port where it
// comes in. It lives in a *slot*, a number below FastPath::Options::max_flows that the caller hands out; the
// slot has the counts. A flow is in one part alone: while it is in another, insert() refuses it.
//
// A *generation* is a number that decisions depend on (of a port, a peer, a station, ...): what it stands for
// is the caller's. A flow names up to four of its part with the values that they had; as soon as one has
// another, all flows that name it miss. That is one store to memory, for any number of flows. Generation 0 is
// for unused dependencies and stays 0.
//
// Counts are those of the wire: a super-frame is as many packets as it has segments, and each has all headers
// from Ethernet's on (without padding, preamble and checksum).
//
// A slot may be used again at once. A packet that is under way on another CPU while its flow is erased still
// goes by its old action or misses, never by the new flow's; it may be counted in the new one.
//
// Owner: one thread, but for the object's making. It needs no privilege: BPF system calls on maps that are
// open, and memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "vswitch/flow.h"
#include "vswitch/flow_offload.h"
#include "vswitch/id.h"

namespace weft {

struct FastPathKernel;

class FastFlows final : public FlowOffload {
  public:
    FastFlows(std::shared_ptr<FastPathKernel> kernel, unsigned part);  // FastPath::flows()
    FastFlows(const FastFlows&) = delete;
    FastFlows& operator=(const FastFlows&) = delete;
    FastFlows(FastFlows&&) = delete;
    FastFlows& operator=(FastFlows&&) = delete;
    ~FastFlows() override;

    bool insert(std::uint32_t slot, const FlowKey& key, PortId in, const Action& action) noexcept override;
    bool erase(std::uint32_t slot) noexcept override;

    static constexpr std::size_t generation_count = Generations::size;

    // To be written by std::atomic_ref.
    [[nodiscard]] std::span<std::uint32_t> generations() const noexcept;

    // Peers' packets are looked at where they come in: what was merged for a socket would be too large.
    [[nodiscard]] bool has_uplinks() const noexcept;

    // --- what happened: read from memory, no system call ---

    [[nodiscard]] Totals read(std::uint32_t slot) const noexcept override;

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
    struct Part;

    std::unique_ptr<Part> part_;
};

}  // namespace weft
