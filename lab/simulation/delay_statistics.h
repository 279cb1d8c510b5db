// What is told about many delays: least, mean, deviation, greatest, and quantiles to within 1.6 %, from a
// histogram whose steps grow with the delay (64 to each power of two). Its memory does not grow with their
// number.
#pragma once

#include <cstdint>
#include <vector>

#include "vswitch/id.h"

namespace weft::lab {

class DelayStatistics {
  public:
    void add(Duration delay);

    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

    // Of nothing, 0.
    [[nodiscard]] Duration least() const noexcept { return Duration{count_ == 0 ? 0 : least_}; }

    [[nodiscard]] Duration greatest() const noexcept { return Duration{greatest_}; }

    [[nodiscard]] Duration mean() const noexcept;
    [[nodiscard]] Duration deviation() const noexcept;
    [[nodiscard]] Duration quantile(double part) const noexcept;  // 0.5: the median

  private:
    static constexpr unsigned step_bits = 6;

    [[nodiscard]] static std::size_t step_of(std::uint64_t delay) noexcept;
    [[nodiscard]] static std::uint64_t middle_of(std::size_t step) noexcept;

    std::vector<std::uint32_t> steps_;  // as many as were needed
    std::uint64_t count_ = 0;
    std::int64_t least_ = 0;
    std::int64_t greatest_ = 0;
    double mean_ = 0;     // by Welford's recurrence
    double squares_ = 0;  // of what is off the mean, summed
};

}  // namespace weft::lab
