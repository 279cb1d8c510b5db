// Any bytes as a trace, as a distribution, and as the value of each key of a link: read, within its bounds,
// or refused with a reason.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/link_files.h"
#include "config/read_impairment.h"

using namespace weft;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t largest = 16384;
    if (size > largest) return 0;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    if (const auto trace = config::parse_trace(text, "t")) {
        const bool by_steps = std::ranges::is_sorted(trace->steps, {}, &LinkTrace::Step::at);
        if (!by_steps || !std::ranges::is_sorted(trace->opportunities) || trace->length < Duration::zero() ||
            trace->steps.empty() == trace->opportunities.empty())
            std::abort();
    } else if (trace.error().what.empty() || trace.error().cure.empty()) {
        std::abort();
    }
    if (const auto table = config::parse_delay_table(text, "t"); table && table->quantiles.size() < 2)
        std::abort();
    constexpr std::array keys{"delay", "loss", "corrupt",    "rate",   "queue",
                              "mtu",   "up",   "discipline", "reorder"};
    for (const char* key : keys) {
        Impairment impairment;
        if (!config::set_impairment(impairment, key, text)) {
            if (impairment != Impairment{}) std::abort();
            continue;
        }
        // What is told of it is understood again.
        for (const auto& [name, value] : config::settings_of(impairment)) {
            Impairment again;
            if (!config::set_impairment(again, name, value)) std::abort();
        }
    }
    return 0;
}
