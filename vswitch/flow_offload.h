// Whoever carries flows past the datapath: the kernel (fast_path.h), or a test. Which flows it is given is
// decided by the flow table, what it does with their packets by their Action, which is what the datapath has
// done with the ones before.
//
// A flow lives in a *slot*, a number that the caller hands out; the slot has the counts. It is carried only
// while every generation that its action depends on has the value that it had (generations.h): a packet that
// comes after one was raised goes to the datapath.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "vswitch/flow.h"
#include "vswitch/generations.h"
#include "vswitch/id.h"

namespace weft {

class FlowOffload {
  public:
    struct Dependency {
        Generations::Index generation = Generations::never;
        std::uint32_t value = 0;
    };

    // What is routed has one hop less to live, and these addresses, if it goes out with any.
    struct Rewrite {
        MacAddress destination;
        MacAddress source;

        friend bool operator==(const Rewrite&, const Rewrite&) noexcept = default;
    };

    struct Action {
        enum class Kind : std::uint8_t { to_port, drop };

        Kind kind = Kind::drop;
        PortId out = no_port;
        std::uint16_t mtu = 0xFFFF;  // without the Ethernet header; of a super-frame its segments count
        std::optional<Vni> vni_in = std::nullopt;       // by which it comes from a tunnel
        std::optional<Vni> vni_out = std::nullopt;      // or goes to one
        std::uint16_t source_port = 0;                  // of VXLAN's UDP header, towards a tunnel
        std::optional<Rewrite> rewrite = std::nullopt;  // routed
        std::array<Dependency, 4> dependencies{};
        std::uint32_t tag = 0;  // comes back with samples of what this action did
    };

    struct Totals {
        std::uint64_t packets = 0;
        std::uint64_t bytes = 0;
        Instant last_seen;  // of CLOCK_MONOTONIC, a few milliseconds coarse; of a flow without packets: its
                            // insertion
    };

    FlowOffload() = default;
    FlowOffload(const FlowOffload&) = delete;
    FlowOffload& operator=(const FlowOffload&) = delete;
    FlowOffload(FlowOffload&&) = default;
    FlowOffload& operator=(FlowOffload&&) = default;
    virtual ~FlowOffload() = default;

    // A slot that has this flow gets a new action, and keeps its counts. False, and nothing is changed: the
    // flow has another slot or the slot another flow, a port is unknown, or the key is not of a kind that can
    // be carried.
    virtual bool insert(std::uint32_t slot, const FlowKey& key, PortId in, const Action& action) noexcept = 0;

    // The flow of this slot; false: there was none.
    virtual bool erase(std::uint32_t slot) noexcept = 0;

    // Since the flow's insertion.
    [[nodiscard]] virtual Totals read(std::uint32_t slot) const noexcept = 0;
};

}  // namespace weft
