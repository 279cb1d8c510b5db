// Random bytes that are the same in every run with the same seed.
#pragma once

#include <cstdint>
#include <random>
#include <span>

#include "overlay/random.h"

namespace weft::test {

class SeededRandom final : public Random {
  public:
    explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}

    void fill(std::span<std::uint8_t> bytes) noexcept override {
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(engine_());
    }

    [[nodiscard]] std::uint64_t next() noexcept { return engine_(); }

    // Uniform in [0, bound).
    [[nodiscard]] std::uint64_t below(std::uint64_t bound) noexcept { return engine_() % bound; }

    [[nodiscard]] bool chance(double probability) noexcept {
        return static_cast<double>(engine_() >> 11U) * 0x1.0p-53 < probability;
    }

  private:
    std::mt19937_64 engine_;
};

}  // namespace weft::test
