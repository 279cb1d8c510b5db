// How much earlier a timer has to be set for something to happen on time: a process wakes some tens of
// microseconds after its timer has fired, the longer the deeper its processor slept. The lead is the median
// of what was seen, followed in steps of a microsecond, so that a few long delays do not count; whoever wakes
// sooner than usual does what is due within the lead at once.
#pragma once

#include <algorithm>
#include <chrono>

#include "vswitch/id.h"

namespace weft {

class LeadTime {
  public:
    [[nodiscard]] Duration lead() const noexcept { return lead_; }

    // A timer that was set for `set` has woken its process, which sees `now`.
    void woke(Instant set, Instant now) noexcept {
        const Duration late = now - set;
        if (late >= ignored) return;  // it was not asleep but had other things to do
        lead_ = std::clamp(late > lead_ ? lead_ + step : lead_ - step, Duration::zero(), most);
    }

  private:
    static constexpr Duration step = std::chrono::microseconds{1};
    static constexpr Duration most = std::chrono::microseconds{100};
    static constexpr Duration ignored = std::chrono::microseconds{500};

    Duration lead_{0};
};

}  // namespace weft
