#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace weft::testing {

using Bytes = std::vector<std::uint8_t>;

// The bytes that `hex` spells; spaces may group the digits. Throws if it is not hex.
inline Bytes from_hex(std::string_view hex) {
    std::string digits;
    for (const char c : hex)
        if (c != ' ') digits.push_back(c);
    if (digits.size() % 2 != 0) throw std::runtime_error("odd number of hex digits: " + digits);
    Bytes bytes;
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        std::size_t used = 0;
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(digits.substr(i, 2), &used, 16)));
        if (used != 2) throw std::runtime_error("not hex: " + digits);
    }
    return bytes;
}

inline std::string to_hex(std::span<const std::uint8_t> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string hex;
    for (const std::uint8_t byte : bytes) {
        hex.push_back(digits[byte >> 4U]);
        hex.push_back(digits[byte & 15U]);
    }
    return hex;
}

}  // namespace weft::testing
