#include "vswitch/emulation/timeline.h"

#include <algorithm>

namespace weft {

Timeline::Timeline(const Impairment& impairment, Instant start) : start_(start), cycle_(start) {
    set(impairment, start);
}

void Timeline::set(const Impairment& impairment, Instant now) {
    base_ = impairment;
    scheduled_ = nullptr;
    move_to(now);
    if (has_opportunities()) find_opportunity(now);
}

void Timeline::move_to(Instant now) {
    const Duration elapsed = std::max(Duration::zero(), now - start_);
    const auto trace = current_.trace;
    next_change_ = Instant::max();
    apply_schedule(elapsed, now);
    apply_trace(elapsed, now);
    if (has_opportunities() && current_.trace != trace) find_opportunity(now);
}

void Timeline::apply_schedule(Duration elapsed, Instant now) {
    const auto& schedule = base_.schedule;
    Duration into = elapsed;
    if (base_.repeat > Duration::zero()) into %= base_.repeat;
    const auto following = std::ranges::upper_bound(
        schedule, into, {}, [](const ScheduledImpairment& entry) { return entry.at; });
    if (!schedule.empty()) {
        if (following != schedule.end() &&
            (base_.repeat == Duration::zero() || following->at < base_.repeat)) {
            change_at(now + (following->at - into));
        } else if (base_.repeat > Duration::zero()) {
            change_at(now + (base_.repeat - into));
        }
    }
    const Impairment* chosen = following == schedule.begin() ? &base_ : (following - 1)->then.get();
    if (chosen != scheduled_) {
        scheduled_ = chosen;
        current_ = *chosen;
        current_.schedule.clear();
        current_.repeat = Duration::zero();
    }
}

void Timeline::apply_trace(Duration elapsed, Instant now) {
    if (!current_.trace || current_.trace->steps.empty()) return;
    const auto& steps = current_.trace->steps;
    const Duration length = current_.trace->length;
    Duration into = elapsed;
    if (length > Duration::zero()) into %= length;
    const auto following =
        std::ranges::upper_bound(steps, into, {}, [](const LinkTrace::Step& step) { return step.at; });
    if (following != steps.end()) {
        change_at(now + (following->at - into));
    } else if (length > Duration::zero()) {
        change_at(now + (length - into));
    }
    static constexpr LinkTrace::Step as_configured;
    const LinkTrace::Step& step = following == steps.begin() ? as_configured : *(following - 1);
    current_.delay.mean = step.delay.value_or(scheduled_->delay.mean);
    current_.rate = step.rate ? step.rate : scheduled_->rate;
    current_.loss = scheduled_->loss;
    if (step.loss) {
        const auto* configured = std::get_if<RandomLoss>(&scheduled_->loss);
        current_.loss = RandomLoss{*step.loss, configured == nullptr ? 0 : configured->correlation};
    }
}

void Timeline::change_at(Instant at) noexcept {
    next_change_ = std::min(next_change_, at);
}

Instant Timeline::opportunity() const noexcept {
    return cycle_ + current_.trace->opportunities[next_];
}

void Timeline::next_opportunity() noexcept {
    if (++next_ < current_.trace->opportunities.size()) return;
    next_ = 0;
    cycle_ += current_.trace->length;
}

void Timeline::skip_to(Instant at) noexcept {
    if (opportunity() < at) find_opportunity(at);
}

// A round ends with its last opportunity, which belongs to it and not to the next one.
void Timeline::find_opportunity(Instant at) noexcept {
    const auto& opportunities = current_.trace->opportunities;
    const Duration length = std::max(Duration{1}, current_.trace->length);
    const Duration elapsed = std::max(Duration::zero(), at - start_);
    const std::int64_t rounds = elapsed == Duration::zero() ? 0 : (elapsed - Duration{1}) / length;
    cycle_ = start_ + rounds * length;
    next_ = static_cast<std::size_t>(std::ranges::lower_bound(opportunities, elapsed - rounds * length) -
                                     opportunities.begin());
    if (next_ < opportunities.size()) return;
    next_ = 0;
    cycle_ += length;
}

}  // namespace weft
