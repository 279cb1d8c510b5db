// The versions of the CNI specification that weft-cni speaks, and what differs between them.
//
//   0.3.1   ADD, DEL, VERSION; an address in a result says its "version", "4" or "6"
//   0.4.0   and CHECK
//   1.0.0   "version" is gone
//   1.1.0   and GC, STATUS; an interface has an "mtu", a route mtu, advmss, priority, table and scope
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace weft::cni {

inline constexpr std::array<std::string_view, 4> versions{"0.3.1", "0.4.0", "1.0.0", "1.1.0"};

// As versions[]; nothing is less than it that comes before it there.
enum class Version { v0_3_1, v0_4_0, v1_0_0, v1_1_0 };

inline constexpr Version newest = Version::v1_1_0;

constexpr std::string_view to_string(Version version) noexcept {
    return versions[static_cast<std::size_t>(version)];
}

constexpr bool is_supported(std::string_view text) noexcept {
    return std::ranges::find(versions, text) != versions.end();
}

// Of a text that is_supported().
constexpr Version parse_version(std::string_view text) noexcept {
    return static_cast<Version>(std::ranges::find(versions, text) - versions.begin());
}

}  // namespace weft::cni
