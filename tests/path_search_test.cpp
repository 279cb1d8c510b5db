#include "overlay/path_search.h"

#include <chrono>
#include <deque>

#include <doctest/doctest.h>

using namespace weft;
using namespace std::chrono_literals;

namespace {

constexpr Duration tick = 200ms;

// A path of some width that answers every probe which fits, after its round trip.
struct Path {
    explicit Path(std::uint16_t width_now, std::uint16_t most = 1500) : width(width_now), search(most) {
        search.start(7, false);
    }

    void run_for(Duration duration) {
        for (const Instant end = now + duration; now < end; now += 1ms) {
            while (!answers.empty() && answers.front().at <= now) {
                const bool known = search.answered(answers.front().id, now);
                answers.pop_front();
                if (known && search.searching()) ask();
            }
            if ((now - Instant{}) % tick != 0ns) continue;
            if (bulk) search.note_large();
            ask();
        }
    }

    void ask() {
        const auto probe = search.next(now);
        if (!probe) return;
        ++probes;
        largest = std::max(largest, probe->size);
        if (probe->size <= width && !lost()) answers.push_back({probe->id, now + round_trip});
    }

    bool lost() { return lose_every != 0 && ++sent % lose_every == 0; }

    struct Answer {
        std::uint64_t id;
        Instant at;
    };

    std::uint16_t width;
    Duration round_trip = 20ms;
    bool bulk = false;
    unsigned lose_every = 0;
    unsigned sent = 0;
    unsigned probes = 0;
    std::uint16_t largest = 0;
    Instant now{1000s};
    PathSearch search;
    std::deque<Answer> answers;
};

// The first moment at which the condition holds, from now on.
template <class Condition>
Duration until(Path& path, Duration at_most, Condition condition) {
    const Instant start = path.now;
    while (path.now - start < at_most && !condition()) path.run_for(1ms);
    return path.now - start;
}

}  // namespace

TEST_CASE("a path as wide as the underlay is found so within two round trips, and then left alone") {
    Path path{1500};
    CHECK(path.search.limit() == 1500);
    path.run_for(300ms);
    CHECK_FALSE(path.search.searching());
    CHECK(path.search.settled() == 1500);
    CHECK(path.probes == 2);
    path.run_for(1h);
    CHECK(path.probes == 2);
}

TEST_CASE("a narrower path is found to within a few bytes, whatever its width") {
    for (std::uint16_t width = 576; width <= 1500; width += 4) {
        CAPTURE(width);
        Path path{width};
        path.run_for(20s);
        CHECK_FALSE(path.search.searching());
        CHECK(path.search.limit() <= width);
        CHECK(path.search.limit() + 4 > width);
        CHECK(path.search.settled() == path.search.limit());
    }
}

TEST_CASE("jumbo frames are found, too") {
    Path path{8950, 9000};
    path.run_for(20s);
    CHECK(path.search.limit() <= 8950);
    CHECK(path.search.limit() > 8940);
    CHECK(path.largest == 9000);
}

TEST_CASE(
    "while bulk data is sent, a path that grows narrower is noticed within 1 s and settled soon after") {
    for (int phase = 0; phase < 600; phase += 23) {
        for (const std::uint16_t width : {std::uint16_t{1400}, std::uint16_t{1280}, std::uint16_t{1000}}) {
            CAPTURE(phase);
            CAPTURE(width);
            Path path{1500};
            path.bulk = true;
            path.run_for(5s + phase * 1ms);
            path.width = width;
            const auto noticed = until(path, 10s, [&] { return path.search.limit() <= width; });
            CHECK(noticed <= (width < PathSearch::base ? 2000ms : 1000ms));
            CHECK(path.search.settled() == 1500);  // nobody is told of a doubt
            path.run_for(8s);
            CHECK(path.search.settled() <= width);
            CHECK(path.search.settled() + 4 > width);
        }
    }
}

TEST_CASE("a path that grows narrower while a wider one is searched for is noticed as well") {
    for (int phase = 0; phase < 4000; phase += 101) {
        CAPTURE(phase);
        Path path{1450};
        path.bulk = true;
        path.run_for(phase * 1ms);
        path.width = 1290;
        path.bulk = !path.search.searching();  // what waits for an acknowledgment is sent no more
        const auto noticed = until(path, 10s, [&] { return path.search.limit() <= 1290; });
        CHECK(noticed <= 1600ms);
    }
}

TEST_CASE("without bulk data nothing is sent, so nothing is noticed") {
    Path path{1500};
    path.run_for(1s);
    path.width = 1300;
    path.run_for(1min);
    CHECK(path.search.limit() == 1500);
    CHECK(path.probes == 2);
}

TEST_CASE("after ten minutes a wider path is looked for, and found") {
    Path path{1400};
    path.run_for(1min);
    REQUIRE(path.search.settled() <= 1400);
    const unsigned before = path.probes;
    path.run_for(8min);
    CHECK(path.probes == before);
    path.width = 1500;
    path.run_for(3min);
    CHECK(path.search.settled() == 1500);
}

TEST_CASE("a peer that was out of reach is sent to as before when it comes back") {
    Path path{1500};
    path.bulk = true;
    path.run_for(5s);
    path.width = 0;
    path.run_for(30s);
    CHECK(path.search.limit() == 576);
    CHECK(path.search.settled() == 1500);
    path.width = 1500;
    const auto back = until(path, 10s, [&] { return path.search.limit() == 1500; });
    CHECK(back <= 1500ms);
    CHECK(path.search.settled() == 1500);
}

TEST_CASE("lost probes do not make a path narrower") {
    for (const unsigned lose_every : {2U, 3U, 5U}) {
        Path path{1500};
        path.bulk = true;
        path.lose_every = lose_every;
        path.run_for(2min);
        CHECK(path.search.settled() == 1500);
        CHECK(path.search.limit() == 1500);
    }
}

TEST_CASE("answers that come too late count, and the time-out follows them") {
    Path path{1500};
    path.run_for(1s);
    path.round_trip = 900ms;
    path.bulk = true;
    path.run_for(20s);
    CHECK(path.search.limit() == 1500);
    CHECK(path.search.settled() == 1500);
}

TEST_CASE("what the kernel refuses is believed at once") {
    Path path{1500};
    path.run_for(1s);
    path.width = 1400;
    path.search.refused();
    CHECK(path.search.limit() == PathSearch::base);
    path.run_for(8s);
    CHECK(path.search.settled() <= 1400);
    CHECK(path.search.settled() > 1396);
}

TEST_CASE("another path is measured anew, beginning with what fitted the old one") {
    Path path{1400};
    path.run_for(10s);
    path.width = 1500;
    path.search.moved(false);
    CHECK(path.search.limit() <= 1400);
    CHECK(path.search.limit() > 1396);
    path.run_for(5s);
    CHECK(path.search.settled() == 1500);
}

TEST_CASE("answers of others' probes, and of probes that were never sent, change nothing") {
    Path path{1300};
    path.run_for(10s);
    const auto settled = path.search.settled();
    for (std::uint64_t id = 0; id < 1000; ++id) {
        CHECK_FALSE(path.search.answered(id, path.now));
        CHECK_FALSE(path.search.answered((std::uint64_t{7} << 32U) + 1 + path.probes + id, path.now));
    }
    CHECK(path.search.settled() == settled);
    CHECK(path.search.limit() == settled);
}
