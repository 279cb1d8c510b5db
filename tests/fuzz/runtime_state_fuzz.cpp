// Any bytes as a state file: read, and the same when written and read again, or refused with a reason in one
// line. What was read is given to pools, which take it or say why not.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "cli/address_pools.h"
#include "cli/runtime_state.h"

namespace {

void use(const weft::RuntimeState& state) {
    if (weft::RuntimeState::parse(to_json(state).dump(), "/nonexistent/fuzz.json") != state) std::abort();
    weft::AddressPools pools;
    for (const auto& bridge : state.bridges) pools.set_pool(bridge.bridge.name, bridge.bridge.gateway);
    for (const auto& port : state.ports) {
        for (const auto& address : port.port.address)
            pools.reserve(port.port.bridge.value_or(""), address.address);
    }
    const auto unfit = pools.restore(state.leases);
    if (unfit.size() + pools.leases().size() != state.leases.size()) std::abort();
    for (const auto& bridge : state.bridges)
        (void)pools.allocate(bridge.bridge.name, "fuzz/" + bridge.bridge.name);
    for (const auto& lease : pools.in_order_given()) {
        if (!pools.release(lease.owner)) std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t largest = 16384;
    if (size > largest) return 0;
    weft::RuntimeState state;
    try {
        state =
            weft::RuntimeState::parse({reinterpret_cast<const char*>(data), size}, "/nonexistent/fuzz.json");
    } catch (const std::runtime_error& refusal) {
        const std::string_view reason = refusal.what();
        if (reason.empty() || reason.find('\n') != std::string_view::npos) std::abort();
        return 0;
    }
    use(state);
    return 0;
}
