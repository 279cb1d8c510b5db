#include "vswitch/emulation/bit_errors.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

namespace weft {

namespace {

constexpr unsigned cost_bits = 62;
constexpr unsigned log_bits = 40;

// -log2(value / 2^64) in 2^-40, by squaring: each square doubles the logarithm, and its next binary digit is
// whether it has come past 2.
std::uint64_t minus_log2(std::uint64_t value) noexcept {
    const auto zeros = static_cast<unsigned>(std::countl_zero(value | 1U));
    std::uint64_t mantissa = (value | 1U) << zeros;  // from 1 to 2, in 2^-63
    std::uint64_t fraction = 0;
    for (unsigned i = 0; i < log_bits; ++i) {
        const auto square = static_cast<unsigned __int128>(mantissa) * mantissa;
        const bool is_two = (square >> 127U) != 0;
        mantissa = static_cast<std::uint64_t>(square >> (is_two ? 64U : 63U));
        fraction = fraction << 1U | (is_two ? 1U : 0U);
    }
    return (std::uint64_t{zeros + 1} << log_bits) - fraction;
}

}  // namespace

void BitErrors::set(double rate) noexcept {
    if (rate == rate_) return;
    rate_ = rate;
    const double cost = -std::log1p(-std::clamp(rate, 0.0, 0.5)) * std::numbers::log2e;
    cost_ = static_cast<std::uint64_t>(std::llround(std::ldexp(cost, cost_bits)));
    is_drawn_ = false;
}

bool BitErrors::spoils_next(std::size_t bytes, RandomStream& random) noexcept {
    if (cost_ == 0) return false;
    if (!is_drawn_) {
        intact_ = draw_gap(random);
        is_drawn_ = true;
    }
    const std::uint64_t bits = std::uint64_t{bytes} * 8;
    if (intact_ < bits) return true;
    intact_ -= bits;
    return false;
}

void BitErrors::spoil(std::span<std::uint8_t> bytes, RandomStream& random) noexcept {
    const std::uint64_t bits = std::uint64_t{bytes.size()} * 8;
    while (intact_ < bits) {
        bytes[intact_ / 8] ^= static_cast<std::uint8_t>(0x80U >> (intact_ % 8));
        intact_ += 1 + draw_gap(random);
    }
    intact_ -= bits;
}

std::uint64_t BitErrors::draw_gap(RandomStream& random) const noexcept {
    const auto log = static_cast<unsigned __int128>(minus_log2(random.next()));
    const unsigned __int128 gap = (log << (cost_bits - log_bits)) / cost_;
    constexpr std::uint64_t longest = std::uint64_t{1} << 62U;
    return gap > longest ? longest : static_cast<std::uint64_t>(gap);
}

}  // namespace weft
