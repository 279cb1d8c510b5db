// Random bytes for the keys and handshakes of a simulation: the same in each run. They keep no secret.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "overlay/random.h"
#include "vswitch/emulation/random_stream.h"

namespace weft::lab {

class SimulatedRandom final : public Random {
  public:
    SimulatedRandom(std::uint64_t seed, std::string_view name, std::string_view purpose)
        : stream_(seed, name, purpose) {}

    void fill(std::span<std::uint8_t> bytes) noexcept override {
        for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(stream_.next() >> 56U);
    }

  private:
    RandomStream stream_;
};

}  // namespace weft::lab
