// Who has called before: a set of hashes of addresses, each remembered for 4 to 8 seconds, as long as it
// takes to repeat a first message that was not answered. Whoever sends from random addresses never calls
// twice.
//
// Two Bloom filters of 2^20 bits and two bits a hash; the older one is emptied when the younger one has been
// filled for 4 s, and becomes the younger. With 50,000 new addresses a second one in nine strangers is taken
// for a returning caller at the end of such a period, and one in forty in its middle.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "vswitch/id.h"

namespace weft {

class Knocks {
  public:
    static constexpr Duration period = std::chrono::seconds{4};

    Knocks() : young_(words), old_(words) {}

    // Whether there was such a hash lately; there is one now.
    bool note(std::uint64_t hash, Instant now) noexcept {
        if (now - since_ >= period) grow_older(now);
        const bool known = has(young_, hash) || has(old_, hash);
        for (const auto bit : bits_of(hash)) young_[bit / word_bits] |= std::uint64_t{1} << (bit % word_bits);
        return known;
    }

  private:
    static constexpr std::size_t filter_bits = std::size_t{1} << 20U;
    static constexpr std::size_t word_bits = 64;
    static constexpr std::size_t words = filter_bits / word_bits;

    using Filter = std::vector<std::uint64_t>;

    static std::array<std::size_t, 2> bits_of(std::uint64_t hash) noexcept {
        return {hash % filter_bits, (hash >> 32U) % filter_bits};
    }

    static bool has(const Filter& filter, std::uint64_t hash) noexcept {
        return std::ranges::all_of(bits_of(hash), [&](std::size_t bit) {
            return (filter[bit / word_bits] >> (bit % word_bits) & 1U) != 0;
        });
    }

    void grow_older(Instant now) noexcept {
        std::swap(young_, old_);
        std::ranges::fill(young_, 0);
        if (now - since_ >= 2 * period) std::ranges::fill(old_, 0);
        since_ = now;
    }

    Filter young_;
    Filter old_;
    Instant since_{};
};

}  // namespace weft
