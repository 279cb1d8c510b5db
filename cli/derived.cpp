#include "cli/derived.h"

#include <cstdint>

#include <fmt/format.h>

namespace weft {

namespace {

std::uint64_t hash_of(const std::string& node, const std::string& object) {
    std::uint64_t hash = 0xCBF29CE484222325;
    for (const char letter : fmt::format("{}/{}", node, object)) {
        hash = (hash ^ static_cast<std::uint8_t>(letter)) * 0x100000001B3;
    }
    return hash;
}

}  // namespace

MacAddress derived_mac(const std::string& node, const std::string& object) {
    std::uint64_t hash = hash_of(node, object);
    MacAddress mac;
    for (auto& octet : mac.octets) {
        octet = static_cast<std::uint8_t>(hash);
        hash >>= 8U;
    }
    mac.octets[0] = static_cast<std::uint8_t>((mac.octets[0] & 0xFCU) | 0x02U);
    return mac;
}

std::string derived_device(std::string_view prefix, const std::string& node, const std::string& object) {
    constexpr std::uint64_t ten_digits = (std::uint64_t{1} << 40U) - 1;
    return fmt::format("{}{:010x}", prefix, hash_of(node, object) & ten_digits);
}

}  // namespace weft
