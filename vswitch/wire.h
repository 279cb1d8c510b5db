// Big-endian integers as they stand in packets: byte arrays of alignment 1, so that a header struct can be
// laid over any byte of a packet and an integer can leave or enter it only by conversion.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace weft {

template <class Integer>
class BigEndian {
  public:
    constexpr BigEndian() noexcept = default;

    constexpr BigEndian(Integer value) noexcept
        : bytes_(std::bit_cast<Bytes>(swapped(value))) {}  // NOLINT(google-explicit-constructor)

    [[nodiscard]] constexpr Integer value() const noexcept { return swapped(std::bit_cast<Integer>(bytes_)); }

    constexpr operator Integer() const noexcept { return value(); }  // NOLINT(google-explicit-constructor)

  private:
    using Bytes = std::array<std::uint8_t, sizeof(Integer)>;

    static constexpr Integer swapped(Integer value) noexcept {
        if constexpr (std::endian::native == std::endian::big || sizeof(Integer) == 1) {
            return value;
        } else if constexpr (sizeof(Integer) == 2) {
            return __builtin_bswap16(value);
        } else if constexpr (sizeof(Integer) == 4) {
            return __builtin_bswap32(value);
        } else {
            return __builtin_bswap64(value);
        }
    }

    Bytes bytes_{};
};

using be16 = BigEndian<std::uint16_t>;
using be32 = BigEndian<std::uint32_t>;
using be64 = BigEndian<std::uint64_t>;

}  // namespace weft
