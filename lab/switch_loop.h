// Switches in a loop: there is no spanning tree, so a broadcast that comes into it goes round for ever.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lab/topology.h"

namespace weft::lab {

struct SwitchLoop {
    std::vector<NodeIndex> switches;  // in order, the last is linked to the first; one alone: to itself
    std::vector<LinkIndex> links;     // links[i] is between switches[i] and the one after it
    VlanId vlan = untagged;           // that goes round
};

enum class Closed : std::uint8_t {
    now,       // by links that are up in both directions
    possibly,  // by any links, which an event may set up
};

// One of them, if there are any. VLANs are told apart: what an access port or a trunk does not carry ends
// there.
std::optional<SwitchLoop> find_switch_loop(const Topology& topology, Closed closed);

// What it is, and the cure, for a warning.
std::string describe(const SwitchLoop& loop, const Topology& topology);

// Whether a simulation's links carry so much more than its traffic can explain that it will not end: in a
// storm every frame makes new ones. What is explained is generous, and there is a verdict only where a loop
// is possible; a storm that costs less than that is let run, since it keeps nobody waiting.
class StormGuard {
  public:
    explicit StormGuard(const Topology& topology);

    // Frames that all links together have carried. True: judge() wants to know more.
    [[nodiscard]] bool suspects(std::uint64_t carried) const noexcept { return loop_ && carried >= allowed_; }

    // `sent` by the topology's traffic within `elapsed`. Throws std::runtime_error if it is a storm.
    void judge(std::uint64_t carried, std::uint64_t sent, Duration elapsed);

  private:
    const Topology* topology_;
    std::optional<SwitchLoop> loop_;
    std::uint64_t allowed_ = 0;
};

}  // namespace weft::lab
