#include "vswitch/precise_timer.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>

#include <sys/timerfd.h>
#include <unistd.h>

namespace weft {

Instant precise_now() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return Instant{std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec}};
}

PreciseTimer::PreciseTimer() : timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
    if (!timer_) throw_system_error("cannot make a timer", errno);
}

// A time of zero disarms it.
void PreciseTimer::set(Instant at) noexcept {
    itimerspec when{};
    if (at != Instant::max()) {
        const auto since = std::max(at.time_since_epoch(), Duration{1});
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
        when.it_value = {.tv_sec = seconds.count(), .tv_nsec = (since - seconds).count()};
    }
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

bool PreciseTimer::take() noexcept {
    std::uint64_t expirations = 0;
    return ::read(timer_.get(), &expirations, sizeof(expirations)) == sizeof(expirations);
}

}  // namespace weft
