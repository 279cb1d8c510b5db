// When the events of a lab's file come: at their times from when the lab is up, some again and again.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "lab/topology.h"
#include "vswitch/id.h"

namespace weft::lab {

class Events {
  public:
    explicit Events(const std::vector<TimedEvent>& events) : events_(events), due_(events.size(), never) {}

    // Their time begins.
    void start(Instant now);

    // When run_due() has something to do next; Instant::max(): never.
    [[nodiscard]] Instant next() const noexcept;

    // Calls `happens` with each event that is due, in the order of their times; those of one time in the
    // order of the file. A repeated one that comes late does not make up for what it has missed.
    void run_due(Instant now, const std::function<void(std::size_t index)>& happens);

  private:
    static constexpr Instant never = Instant::max();

    const std::vector<TimedEvent>& events_;
    std::vector<Instant> due_;
};

}  // namespace weft::lab
