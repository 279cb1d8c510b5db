// The random numbers of an emulated link. Each wire has a stream of its own for each kind of choice, seeded
// by a hash of the lab's seed, the wire's name and what is chosen: neither another link, nor another kind of
// impairment on the same one, changes what a stream gives.
//
// Everything is integers: the same seed gives the same choices with every compiler, C library and processor.
// The generator is xoshiro256** (Blackman and Vigna 2018). It is not for secrets.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace weft {

// A probability, as what a random number is compared with.
class Chance {
  public:
    Chance() noexcept = default;
    explicit Chance(double probability) noexcept;

    [[nodiscard]] bool is_never() const noexcept { return threshold_ == 0 && !is_certain_; }

  private:
    friend class RandomStream;

    std::uint64_t threshold_ = 0;
    bool is_certain_ = false;
};

class RandomStream {
  public:
    RandomStream(std::uint64_t seed, std::string_view name, std::string_view purpose) noexcept;

    std::uint64_t next() noexcept;

    // Draws nothing if the chance is none.
    bool happens(const Chance& chance) noexcept;

    // A whole number from 0 to `most`; `most` below 2^64 - 1.
    std::uint64_t up_to(std::uint64_t most) noexcept;

  private:
    std::array<std::uint64_t, 4> state_{};
};

}  // namespace weft
