#include "vswitch/emulation/impairment.h"

#include <algorithm>

namespace weft {

namespace {

bool is_there(const LossModel& loss) noexcept {
    return !std::holds_alternative<NoLoss>(loss);
}

template <class T>
bool same(const std::shared_ptr<const T>& a, const std::shared_ptr<const T>& b) {
    return a == b || (a && b && *a == *b);
}

}  // namespace

bool Impairment::does_nothing() const noexcept {
    return up && schedule.empty() && !counts_packets() && delay.mean == Duration::zero();
}

bool Impairment::counts_packets() const noexcept {
    return mtu || is_there(loss) || bit_error_rate > 0 || duplicate > 0 || reorder > 0 || rate || trace ||
           delay.jitter > Duration::zero();
}

bool operator==(const DelayModel& a, const DelayModel& b) {
    return a.mean == b.mean && a.jitter == b.jitter && a.shape == b.shape && same(a.table, b.table) &&
           a.correlation == b.correlation && a.reorders == b.reorders;
}

bool operator==(const Impairment& a, const Impairment& b) {
    return a.up == b.up && a.mtu == b.mtu && a.loss == b.loss && a.bit_error_rate == b.bit_error_rate &&
           a.duplicate == b.duplicate && a.reorder == b.reorder && a.rate == b.rate && a.queue == b.queue &&
           a.delay == b.delay && same(a.trace, b.trace) && a.schedule == b.schedule && a.repeat == b.repeat;
}

bool operator==(const ScheduledImpairment& a, const ScheduledImpairment& b) {
    return a.at == b.at && same(a.then, b.then);
}

}  // namespace weft
