// A rate limit: `rate` events a second in the long run, `burst` at once. Told the time, like everything on
// the packet path.
#pragma once

#include <algorithm>
#include <cstdint>

#include "vswitch/id.h"

namespace weft {

class TokenBucket {
  public:
    constexpr TokenBucket(std::uint32_t rate, std::uint32_t burst) noexcept
        : cost_(Duration{std::chrono::seconds{1}} / rate), capacity_(cost_ * burst), credit_(capacity_) {}

    // Whether one more event may happen now.
    bool take(Instant now) noexcept {
        if (now > last_) credit_ = std::min(capacity_, credit_ + std::min(capacity_, now - last_));
        last_ = std::max(last_, now);
        if (credit_ < cost_) return false;
        credit_ -= cost_;
        return true;
    }

  private:
    Duration cost_;  // of one event: credit is earned as time passes
    Duration capacity_;
    Duration credit_;
    Instant last_{};
};

}  // namespace weft
