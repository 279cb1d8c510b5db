// Random 32-bit numbers, none of which is given out twice at the same time: handshake indices and blocks of
// inbound SPIs. Random, so that neither tells how many there were and a restarted node does not meet its own
// old ones.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_set>

#include "overlay/random.h"

namespace weft {

inline std::uint32_t random_number(Random& random) noexcept {
    std::array<std::uint8_t, 4> bytes{};
    random.fill(bytes);
    std::uint32_t number = 0;
    for (const auto byte : bytes) number = number << 8U | byte;
    return number;
}

class UniqueNumbers {
  public:
    // Each number stands for a block: it is a multiple of `block`, a power of two, and at least `least`.
    explicit UniqueNumbers(std::uint32_t least, std::uint32_t block = 1) noexcept
        : least_(least), block_(block) {}

    std::uint32_t take(Random& random) {
        for (;;) {
            const auto number = start_of(random_number(random));
            if (number >= least_ && taken_.insert(number).second) return number;
        }
    }

    // It is somebody's already.
    void claim(std::uint32_t number) { taken_.insert(start_of(number)); }

    // Any number of the block will do.
    void release(std::uint32_t number) noexcept { taken_.erase(start_of(number)); }

  private:
    [[nodiscard]] std::uint32_t start_of(std::uint32_t number) const noexcept {
        return number & ~(block_ - 1);
    }

    std::uint32_t least_;
    std::uint32_t block_;
    std::unordered_set<std::uint32_t> taken_;
};

}  // namespace weft
