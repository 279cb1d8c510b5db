#include "vswitch/emulation/quantiles.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace weft {

namespace {

constexpr unsigned part_bits = 12;
constexpr std::size_t parts = std::size_t{1} << part_bits;
constexpr double outermost = 0.5;  // of the last part of a tail, in place of its infinite end

std::int32_t to_fixed(double value) noexcept {
    constexpr double least = -2'147'483'647;
    return static_cast<std::int32_t>(
        std::lround(std::clamp(std::ldexp(value, Quantiles::fraction_bits), least, -least)));
}

std::int64_t interpolate(const std::vector<std::int32_t>& points, std::uint64_t position) noexcept {
    constexpr unsigned half = 32;
    const auto product = static_cast<unsigned __int128>(position) * (points.size() - 1);
    const auto index = static_cast<std::size_t>(product >> 64U);
    const auto fraction = static_cast<std::int64_t>(static_cast<std::uint64_t>(product) >> half);
    const std::int64_t low = points[index];
    const std::int64_t high = points[index + 1];
    return low + (((high - low) * fraction) >> half);
}

// The position in a part of the table, from 0 to 2^64.
std::uint64_t locate(const std::vector<std::int32_t>& points, std::int64_t quantile) noexcept {
    if (quantile <= points.front()) return 0;
    if (quantile >= points.back()) return ~std::uint64_t{0};
    const auto above = std::ranges::upper_bound(points, quantile);
    const auto index = static_cast<std::uint64_t>(above - points.begin() - 1);
    const auto low = static_cast<std::int64_t>(*(above - 1));
    const auto step = static_cast<std::uint64_t>(*above - low);
    const std::uint64_t fraction = (static_cast<std::uint64_t>(quantile - low) << 32U) / step;
    const auto numerator = static_cast<unsigned __int128>((index << 32U) + fraction) << 32U;
    return static_cast<std::uint64_t>(numerator / (points.size() - 1));
}

// The x < 0 with P(X < x) = p, by Newton's method from an x that is too large: the distribution function is
// convex there, so each step comes nearer from the same side.
double normal_below(double p, double x) noexcept {
    constexpr int most_steps = 100;
    for (int i = 0; i < most_steps; ++i) {
        const double excess = std::erfc(-x / std::numbers::sqrt2) / 2 - p;
        const double density = std::exp(-x * x / 2) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
        const double step = excess / density;
        x -= step;
        if (std::abs(step) < 1e-13) break;
    }
    return x;
}

double pareto_above(double p) noexcept {
    constexpr double shape = 3;
    constexpr double mean = shape / (shape - 1);
    const double deviation = std::sqrt(shape / ((shape - 1) * (shape - 1) * (shape - 2)));
    return (std::pow(p, -1 / shape) - mean) / deviation;
}

}  // namespace

Quantiles::Quantiles(Points lower, Points body, Points upper) noexcept
    : lower_(std::move(lower)), body_(std::move(body)), upper_(std::move(upper)) {}

Quantiles::Quantiles(const DelayTable& table) {
    for (const float quantile : table.quantiles) body_.push_back(to_fixed(static_cast<double>(quantile)));
    if (body_.empty()) body_.push_back(0);
    if (body_.size() == 1) body_.push_back(body_.front());
}

const Quantiles& Quantiles::normal() {
    static const Quantiles made = [] {
        Points lower(parts + 1);
        Points body(parts + 1);
        Points upper(parts + 1);
        double x = 0;
        for (std::size_t i = parts / 2 - 1; i > 0; --i) {
            x = normal_below(static_cast<double>(i) / parts, x);
            body[i] = to_fixed(x);
            body[parts - i] = -body[i];
        }
        for (std::size_t i = parts + 1; i-- > 0;) {
            x = normal_below(std::max(static_cast<double>(i), outermost) / parts / parts, x);
            lower[i] = to_fixed(x);
            upper[parts - i] = -lower[i];
        }
        body.front() = lower.front();
        body.back() = upper.back();
        return Quantiles{std::move(lower), std::move(body), std::move(upper)};
    }();
    return made;
}

const Quantiles& Quantiles::pareto() {
    static const Quantiles made = [] {
        Points lower(parts + 1);
        Points body(parts + 1);
        Points upper(parts + 1);
        for (std::size_t i = 0; i <= parts; ++i) {
            const auto below = static_cast<double>(i) / parts;
            body[i] = to_fixed(pareto_above(std::max(1 - below, outermost / parts)));
            lower[i] = to_fixed(pareto_above(1 - below / parts));
            upper[i] =
                to_fixed(pareto_above(std::max(static_cast<double>(parts - i), outermost) / parts / parts));
        }
        return Quantiles{std::move(lower), std::move(body), std::move(upper)};
    }();
    return made;
}

std::int64_t Quantiles::at(std::uint64_t position) const noexcept {
    if (lower_.empty()) return interpolate(body_, position);
    const std::uint64_t part = position >> (64U - part_bits);
    if (part == 0) return interpolate(lower_, position << part_bits);
    if (part == parts - 1) return interpolate(upper_, position << part_bits);
    return interpolate(body_, position);
}

std::uint64_t Quantiles::position(std::int64_t quantile) const noexcept {
    constexpr std::uint64_t last_part = std::uint64_t{parts - 1} << (64U - part_bits);
    if (lower_.empty()) return locate(body_, quantile);
    if (quantile < lower_.back()) return locate(lower_, quantile) >> part_bits;
    if (quantile >= upper_.front()) return last_part | locate(upper_, quantile) >> part_bits;
    return locate(body_, quantile);
}

std::uint64_t Quantiles::fingerprint() const noexcept {
    std::uint64_t value = 0xCBF2'9CE4'8422'2325;
    for (const Points* points : {&lower_, &body_, &upper_}) {
        for (const std::int32_t point : *points)
            value = (value ^ static_cast<std::uint32_t>(point)) * 0x0000'0100'0000'01B3;
    }
    return value;
}

}  // namespace weft
