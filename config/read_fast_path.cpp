// [fastpath].
#include <fmt/format.h>

#include "config/fields.h"
#include "config/read.h"

namespace weft::config {

namespace {

FastPath::Mode read_mode(const Section& section) {
    const auto text = section.text("mode");
    if (!text || *text == "auto") return FastPath::Mode::automatic;
    if (*text == "off") return FastPath::Mode::off;
    if (*text == "tc") return FastPath::Mode::tc;
    if (*text == "xdp") return FastPath::Mode::xdp;
    section.problem("mode", fmt::format("{} is no mode of the fast path", quoted(*text)),
                    R"(write "auto" (where the kernel can), "tc" or "xdp" (or do not start) or "off")");
    return {};
}

}  // namespace

std::string_view to_string(FastPath::Mode mode) noexcept {
    switch (mode) {
        case FastPath::Mode::off:
            return "off";
        case FastPath::Mode::tc:
            return "tc";
        case FastPath::Mode::xdp:
            return "xdp";
        default:
            return "auto";
    }
}

FastPath read_fast_path(const Section& section) {
    constexpr std::uint32_t fewest_flows = 64;
    constexpr std::uint32_t most_flows = 1'048'576;
    constexpr std::uint32_t rarest = 1'000'000'000;
    section.check();
    FastPath fast_path;
    fast_path.mode = read_mode(section);
    fast_path.max_flows =
        read_number(section, "max_flows", fewest_flows, most_flows).value_or(fast_path.max_flows);
    fast_path.check_every = read_number(section, "check_every", 1, rarest).value_or(fast_path.check_every);
    fast_path.uplinks = read_devices(section, "uplinks");
    return fast_path;
}

}  // namespace weft::config
