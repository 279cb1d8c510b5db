#include "vswitch/emulation/jitter.h"

#include <algorithm>
#include <cmath>

namespace weft {

namespace {

constexpr int weight_bits = 30;

std::int64_t to_weight(double value) noexcept {
    return std::llround(std::ldexp(value, weight_bits));
}

}  // namespace

void Jitter::set(const DelayModel& model) {
    if (model == model_) return;
    model_ = model;
    table_.reset();
    quantiles_ = nullptr;
    last_.reset();
    if (model.shape == DelayModel::Shape::normal) quantiles_ = &Quantiles::normal();
    if (model.shape == DelayModel::Shape::pareto) quantiles_ = &Quantiles::pareto();
    if (model.shape == DelayModel::Shape::table && model.table) quantiles_ = &table_.emplace(*model.table);
    const double r = model.correlation;
    weight_of_last_ = to_weight(r);
    weight_of_new_ = to_weight(std::sqrt(std::max(0.0, 1 - r * r)));
    if (r != 0) static_cast<void>(Quantiles::normal());
}

Duration Jitter::draw(RandomStream& random) noexcept {
    const std::int64_t jitter = model_.jitter.count();
    if (jitter == 0) return model_.mean;
    const std::uint64_t position = draw_position(random);
    __int128 offset = 0;
    if (quantiles_ == nullptr) {
        const auto width = 2 * static_cast<unsigned __int128>(jitter) + 1;
        offset = static_cast<__int128>(position * width >> 64U) - jitter;
    } else {
        offset = static_cast<__int128>(quantiles_->at(position)) * jitter >> Quantiles::fraction_bits;
    }
    const __int128 delay = model_.mean.count() + offset;
    constexpr __int128 longest = std::int64_t{1} << 60U;
    return Duration{static_cast<std::int64_t>(std::clamp<__int128>(delay, 0, longest))};
}

std::uint64_t Jitter::draw_position(RandomStream& random) noexcept {
    if (weight_of_last_ == 0) return random.next();
    const Quantiles& normal = Quantiles::normal();
    const std::int64_t fresh = normal.at(random.next());
    last_ = last_ ? (*last_ * weight_of_last_ + fresh * weight_of_new_) >> weight_bits : fresh;
    return normal.position(*last_);
}

}  // namespace weft
