// Random 32-bit numbers, none of which is given out twice at the same time: handshake indices and inbound
// SPIs. Random, so that neither tells how many there were and a restarted node does not meet its own old
// ones.
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
    explicit UniqueNumbers(std::uint32_t least) noexcept : least_(least) {}

    std::uint32_t take(Random& random) {
        for (;;) {
            const auto number = random_number(random);
            if (number >= least_ && taken_.insert(number).second) return number;
        }
    }

    void release(std::uint32_t number) noexcept { taken_.erase(number); }

  private:
    std::uint32_t least_;
    std::unordered_set<std::uint32_t> taken_;
};

}  // namespace weft
