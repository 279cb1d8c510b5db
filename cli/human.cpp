#include "cli/human.h"

#include <array>
#include <cmath>

#include <fmt/format.h>

namespace weft {

std::string human_bytes(std::uint64_t bytes) {
    static constexpr std::array units = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) return fmt::format("{} B", bytes);
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    // 1023.5 would be rounded to a fourth figure, so it is one of the next unit already.
    for (value /= 1024; value >= 1023.5 && unit + 1 < units.size(); value /= 1024) ++unit;
    return value < 9.95 ? fmt::format("{:.1f} {}", value, units[unit])
                        : fmt::format("{:.0f} {}", value, units[unit]);
}

std::string human_bit_rate(std::uint64_t bits_per_second) {
    static constexpr std::array units = {"kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"};
    if (bits_per_second < 1000) return fmt::format("{} bit/s", bits_per_second);
    auto value = static_cast<double>(bits_per_second);
    std::size_t unit = 0;
    for (value /= 1000; value >= 999.5 && unit + 1 < units.size(); value /= 1000) ++unit;
    return value < 9.95 ? fmt::format("{:.1f} {}", value, units[unit])
                        : fmt::format("{:.0f} {}", value, units[unit]);
}

std::string human_duration(double seconds) {
    if (seconds < 0.95) return fmt::format("{:.1f}s", std::max(seconds, 0.0));
    const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
    if (whole < 60) return fmt::format("{}s", whole);
    if (whole < 3600) return fmt::format("{}m {}s", whole / 60, whole % 60);
    if (whole < 86400) return fmt::format("{}h {}m", whole / 3600, whole % 3600 / 60);
    return fmt::format("{}d {}h", whole / 86400, whole % 86400 / 3600);
}

std::string human_age(double seconds) {
    return seconds < 0.05 ? "now" : human_duration(seconds) + " ago";
}

}  // namespace weft
