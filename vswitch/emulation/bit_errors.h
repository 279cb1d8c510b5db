// Bit errors at a rate: how many bits arrive intact until the next that does not is drawn from the geometric
// distribution, so the cost is one draw an error and none a bit.
#pragma once

#include <cstdint>
#include <span>

#include "vswitch/emulation/random_stream.h"

namespace weft {

class BitErrors {
  public:
    void set(double rate) noexcept;  // from 0 to 0.5

    // Whether the next packet has errors. If so, it is to be made ready, and then to be spoiled.
    [[nodiscard]] bool spoils_next(std::size_t bytes, RandomStream& random) noexcept;
    void spoil(std::span<std::uint8_t> bytes, RandomStream& random) noexcept;

  private:
    [[nodiscard]] std::uint64_t draw_gap(RandomStream& random) const noexcept;

    double rate_ = 0;
    std::uint64_t cost_ = 0;    // of an intact bit, -log2(1 - rate), in 2^-62; 0: there are no errors
    std::uint64_t intact_ = 0;  // bits until the next error
    bool is_drawn_ = false;
};

}  // namespace weft
