// The one hash function of the switch: two 64-bit words, each xored with a constant, are multiplied to 128
// bits whose halves are folded together, and what comes out is multiplied and folded once more, for after one
// round consecutive keys still leave a pattern in the low bits. It is fast, not secret: a structure that an
// attacker may fill must bound its own worst case (as mac_table.h does).
#pragma once

#include <cstdint>
#include <cstring>

namespace weft {

[[nodiscard]] constexpr std::uint64_t fold_product(std::uint64_t a, std::uint64_t b) noexcept {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b = 0) noexcept {
    // The fractional parts of the golden ratio and of the square root of 3, made odd.
    constexpr std::uint64_t golden = 0x9E37'79B9'7F4A'7C15;
    constexpr std::uint64_t root3 = 0xBB67'AE85'84CA'A73B;
    return fold_product(fold_product(a ^ golden, b ^ root3) ^ golden, root3);
}

// Eight bytes in native order, for hashing only.
[[nodiscard]] inline std::uint64_t load_native(const std::uint8_t* bytes) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return word;
}

}  // namespace weft
