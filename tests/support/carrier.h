// A FlowOffload that carries nothing but remembers what it was given.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>

#include "vswitch/flow_offload.h"

namespace weft::test {

class Carrier final : public FlowOffload {
  public:
    struct Carried {
        FlowKey key;
        PortId in;
        Action action;
    };

    bool insert(std::uint32_t slot, const FlowKey& key, PortId in, const Action& action) noexcept override {
        if (refuses) return false;
        flows[slot] = {key, in, action};
        totals[slot] = {};
        return true;
    }

    bool erase(std::uint32_t slot) noexcept override { return flows.erase(slot) > 0; }

    [[nodiscard]] Totals read(std::uint32_t slot) const noexcept override { return totals.at(slot); }

    // The flow that comes in there; nullptr: there is none.
    [[nodiscard]] const Carried* from(PortId in) const noexcept {
        for (const auto& [slot, flow] : flows)
            if (flow.in == in) return &flow;
        return nullptr;
    }

    // Whether everything that it depends on is as it was: then its packets would be carried.
    [[nodiscard]] static bool holds(const Generations& generations, const Carried& flow) noexcept {
        return std::ranges::all_of(flow.action.dependencies, [&](const Dependency& on) {
            return generations.number(on.generation) == on.value;
        });
    }

    [[nodiscard]] bool holds(const Generations& generations, PortId in) const noexcept {
        const Carried* flow = from(in);
        return flow != nullptr && holds(generations, *flow);
    }

    // All of them.
    [[nodiscard]] bool holds(const Generations& generations) const noexcept {
        return std::ranges::all_of(flows, [&](const auto& flow) { return holds(generations, flow.second); });
    }

    std::map<std::uint32_t, Carried> flows;
    std::map<std::uint32_t, Totals> totals;
    bool refuses = false;
};

}  // namespace weft::test
