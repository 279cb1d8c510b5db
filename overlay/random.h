// Where the control side of a node takes its randomness from: the operating system's generator in the daemon,
// a seeded one in the simulation. Never used for anything per packet.
#pragma once

#include <cstdint>
#include <span>

namespace weft {

class Random {
  public:
    Random() = default;
    Random(const Random&) = delete;
    Random& operator=(const Random&) = delete;
    virtual ~Random() = default;

    virtual void fill(std::span<std::uint8_t> bytes) noexcept = 0;
};

// getrandom(2), through crypto/key.h.
class SystemRandom final : public Random {
  public:
    void fill(std::span<std::uint8_t> bytes) noexcept override;
};

}  // namespace weft
