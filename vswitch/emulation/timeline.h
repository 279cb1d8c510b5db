// Which Impairment is in force: what is configured, what its schedule has put in its place, and what its
// trace says at this moment. Times of both count from when the link began.
//
// A trace of a CSV file sets delay, loss and rate. One of Mahimahi's is no rate but a list of moments at each
// of which the link takes 1500 bytes of the layer above Ethernet, as that tool's packets are IP.
#pragma once

#include <cstdint>
#include <optional>

#include "vswitch/emulation/impairment.h"
#include "vswitch/id.h"

namespace weft {

class Timeline {
  public:
    static constexpr std::uint32_t opportunity_bytes = 1500;

    Timeline(const Impairment& impairment, Instant start);
    Timeline(const Timeline&) = delete;
    Timeline& operator=(const Timeline&) = delete;

    void set(const Impairment& impairment, Instant now);

    // Instant::max(): never.
    [[nodiscard]] Instant next_change() const noexcept { return next_change_; }

    // What is in force at `now`, until the next change.
    void move_to(Instant now);

    [[nodiscard]] const Impairment& current() const noexcept { return current_; }

    [[nodiscard]] bool has_opportunities() const noexcept {
        return current_.trace && !current_.trace->opportunities.empty();
    }

    // The opportunity to come; only if there are some.
    [[nodiscard]] Instant opportunity() const noexcept;
    void next_opportunity() noexcept;

    // Those before `at` are not used.
    void skip_to(Instant at) noexcept;

  private:
    void apply_schedule(Duration elapsed, Instant now);
    void apply_trace(Duration elapsed, Instant now);
    void change_at(Instant at) noexcept;
    void find_opportunity(Instant at) noexcept;

    Instant start_;
    Impairment base_;
    Impairment current_;
    const Impairment* scheduled_ = nullptr;  // what current_ is a copy of, but for the trace
    Instant next_change_ = Instant::max();
    Instant cycle_;  // when the trace began, the last time
    std::size_t next_ = 0;
};

}  // namespace weft
