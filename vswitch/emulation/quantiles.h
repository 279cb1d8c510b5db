// A distribution as a table of its quantiles, from which a random number is made by linear interpolation
// (inverse transform sampling). In fixed point, since the same seed shall give the same numbers everywhere: a
// unit is 2^-16 of the standard deviation.
//
//   p   0         1/4096                                      4095/4096         1
//       +---------+-----------+-----------+-- ... -+-----------+---------------+
//       | lower   |  body: 4096 equal parts of probability     | upper         |
//       | tail    |                                            | tail          |
//       +---------+-----------+-----------+-- ... -+-----------+---------------+
//         4096 parts of its own                                  and 4096 more
//
// So the normal distribution ends at 5.4 standard deviations. A table of the user's has no tails.
#pragma once

#include <cstdint>
#include <vector>

#include "vswitch/emulation/impairment.h"

namespace weft {

class Quantiles {
  public:
    static constexpr unsigned fraction_bits = 16;

    // Made at their first use, which is not for the packet path.
    static const Quantiles& normal();
    static const Quantiles& pareto();  // of shape 3, moved and scaled to mean 0 and standard deviation 1

    explicit Quantiles(const DelayTable& table);

    // Of the probability `position` / 2^64.
    [[nodiscard]] std::int64_t at(std::uint64_t position) const noexcept;

    // The inverse of at(); only of the distributions with tails.
    [[nodiscard]] std::uint64_t position(std::int64_t quantile) const noexcept;

    // For a test that they are the same everywhere.
    [[nodiscard]] std::uint64_t fingerprint() const noexcept;

  private:
    using Points = std::vector<std::int32_t>;  // at equal distances of probability, both ends included

    Quantiles(Points lower, Points body, Points upper) noexcept;

    Points lower_;  // empty: there are no tails
    Points body_;
    Points upper_;
};

}  // namespace weft
