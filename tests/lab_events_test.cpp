#include <chrono>
#include <vector>

#include <doctest/doctest.h>

#include "lab/events.h"

using namespace weft;
using namespace weft::lab;
using namespace std::chrono_literals;

namespace {

TimedEvent at(Duration when, std::optional<Duration> repeat = {}) {
    return {.at = when, .repeat = repeat, .action = SwitchLink{}};
}

std::vector<std::size_t> due(Events& events, Instant now) {
    std::vector<std::size_t> happened;
    events.run_due(now, [&](std::size_t index) { happened.push_back(index); });
    return happened;
}

constexpr Instant start{100s};

}  // namespace

TEST_CASE("no event is due before the time of events begins") {
    const std::vector<TimedEvent> file{at(0s)};
    Events events(file);
    CHECK(events.next() == Instant::max());
    CHECK(due(events, start).empty());
}

TEST_CASE("events come at their times, in the order of the times and then of the file") {
    const std::vector<TimedEvent> file{at(2s), at(1s), at(1s)};
    Events events(file);
    events.start(start);
    CHECK(events.next() == start + 1s);
    CHECK(due(events, start + 1s - 1ns).empty());
    CHECK(due(events, start + 3s) == std::vector<std::size_t>{1, 2, 0});
    CHECK(events.next() == Instant::max());
}

TEST_CASE("a repeated event keeps its rhythm, however late it is looked at") {
    const std::vector<TimedEvent> file{at(1s, 10s)};
    Events events(file);
    events.start(start);
    CHECK(due(events, start + 1s + 3ms) == std::vector<std::size_t>{0});
    CHECK(events.next() == start + 11s);
    CHECK(due(events, start + 35s) == std::vector<std::size_t>{0});
    CHECK(events.next() == start + 41s);
}

TEST_CASE("an event that repeats after no time at all happens once") {
    const std::vector<TimedEvent> file{at(1s, 0s)};
    Events events(file);
    events.start(start);
    CHECK(due(events, start + 5s) == std::vector<std::size_t>{0});
    CHECK(events.next() == Instant::max());
}
