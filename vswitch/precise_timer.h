// CLOCK_MONOTONIC in nanoseconds, and a descriptor that becomes readable at a point of it
// (timerfd_create(2)), for an event loop whose own clock has milliseconds.
#pragma once

#include "vswitch/id.h"
#include "vswitch/system.h"

namespace weft {

[[nodiscard]] Instant precise_now() noexcept;

class PreciseTimer {
  public:
    PreciseTimer();  // throws std::runtime_error

    // Readable from `at` on, and not before, whatever it was; at once if that has passed. Instant::max():
    // never.
    void set(Instant at) noexcept;

    // Whether it has fired; it is not readable any more then.
    [[nodiscard]] bool take() noexcept;

    [[nodiscard]] int descriptor() const noexcept { return timer_.get(); }

  private:
    Descriptor timer_;
};

}  // namespace weft
