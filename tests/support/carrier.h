// A FlowOffload that carries nothing but remembers what it was given.
#pragma once

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

    std::map<std::uint32_t, Carried> flows;
    std::map<std::uint32_t, Totals> totals;
    bool refuses = false;
};

}  // namespace weft::test
