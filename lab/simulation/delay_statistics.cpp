#include "lab/simulation/delay_statistics.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace weft::lab {

void DelayStatistics::add(Duration delay) {
    const std::int64_t value = std::max<std::int64_t>(delay.count(), 0);
    const std::size_t step = step_of(static_cast<std::uint64_t>(value));
    if (step >= steps_.size()) steps_.resize(step + 1);
    ++steps_[step];
    least_ = count_ == 0 ? value : std::min(least_, value);
    greatest_ = std::max(greatest_, value);
    ++count_;
    const double off = static_cast<double>(value) - mean_;
    mean_ += off / static_cast<double>(count_);
    squares_ += off * (static_cast<double>(value) - mean_);
}

Duration DelayStatistics::mean() const noexcept {
    return Duration{static_cast<std::int64_t>(std::llround(mean_))};
}

Duration DelayStatistics::deviation() const noexcept {
    if (count_ < 2) return Duration{0};
    return Duration{
        static_cast<std::int64_t>(std::llround(std::sqrt(squares_ / static_cast<double>(count_))))};
}

Duration DelayStatistics::quantile(double part) const noexcept {
    if (count_ == 0) return Duration{0};
    const auto rank = static_cast<std::uint64_t>(std::ceil(part * static_cast<double>(count_)));
    std::uint64_t below = 0;
    for (std::size_t step = 0; step < steps_.size(); ++step) {
        below += steps_[step];
        if (below < std::max<std::uint64_t>(rank, 1)) continue;
        return std::clamp(Duration{static_cast<std::int64_t>(middle_of(step))}, least(), greatest());
    }
    return greatest();
}

// Below 2^step_bits a step is a nanosecond.
std::size_t DelayStatistics::step_of(std::uint64_t delay) noexcept {
    const auto width = static_cast<unsigned>(std::bit_width(delay));
    if (width <= step_bits) return delay;
    const unsigned shift = width - step_bits - 1;
    return (std::size_t{shift} << step_bits) + (delay >> shift);
}

std::uint64_t DelayStatistics::middle_of(std::size_t step) noexcept {
    constexpr std::size_t first = std::size_t{2} << step_bits;
    if (step < first) return step;
    const std::size_t shift = (step >> step_bits) - 1;
    const std::uint64_t lowest = std::uint64_t{step - (shift << step_bits)} << shift;
    return lowest + (std::uint64_t{1} << (shift - 1));
}

}  // namespace weft::lab
