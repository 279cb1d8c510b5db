#include "crypto/replay_window.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <set>

#include <doctest/doctest.h>

using weft::ReplayWindow;
using Answer = ReplayWindow::Answer;

namespace {

// The window as RFC 4303 section 3.4.3 tells it: every number that came, in a set.
class StupidWindow {
  public:
    explicit StupidWindow(std::uint64_t size) : size_(size) {}

    [[nodiscard]] Answer check(std::uint64_t sequence) const {
        if (sequence == 0) return Answer::replayed;
        if (sequence + size_ <= highest() && sequence + size_ >= size_) return Answer::too_old;
        return seen_.contains(sequence) ? Answer::replayed : Answer::fresh;
    }

    void mark(std::uint64_t sequence) { seen_.insert(sequence); }

    [[nodiscard]] std::uint64_t highest() const { return seen_.empty() ? 0 : *seen_.rbegin(); }

  private:
    std::uint64_t size_;
    std::set<std::uint64_t> seen_;
};

// Mostly what a network does (the next one, a little late, a little early, again), sometimes what it never
// does.
std::uint64_t next_sequence(std::mt19937_64& random, std::uint64_t highest, std::uint64_t size) {
    const auto up_to = [&random](std::uint64_t limit) { return random() % (limit + 1); };
    const auto back = [highest](std::uint64_t distance) {
        return highest < distance ? 0 : highest - distance;
    };
    switch (random() % 16) {
        case 0:
            return highest + up_to(3 * size);
        case 1:
            return highest + size + up_to(2);
        case 2:
            return back(size + up_to(2)) + 1;
        case 3:
            return back(up_to(3 * size));
        case 4:
            return up_to(highest);
        case 5:
            return random() % 64 == 0 ? highest + up_to(std::uint64_t{1} << 40U) : highest + 64;
        case 6:
        case 7:
        case 8:
            return back(up_to(size));
        case 9:
            return back(up_to(8));
        default:
            return highest + 1 + up_to(2);
    }
}

}  // namespace

TEST_CASE("the window answers as a set of all numbers does") {
    for (const std::size_t size : {64U, 128U, 192U, 1024U, 4096U, 8192U}) {
        std::mt19937_64 random{size};
        ReplayWindow window{size};
        StupidWindow model{size};
        CAPTURE(size);
        REQUIRE(window.size() == size);
        int counts[3] = {};
        for (int i = 0; i < 100'000; ++i) {
            const std::uint64_t sequence = next_sequence(random, model.highest(), size);
            CAPTURE(i);
            CAPTURE(sequence);
            const Answer answer = window.check(sequence);
            REQUIRE(answer == model.check(sequence));
            ++counts[static_cast<int>(answer)];
            if (answer != Answer::fresh) continue;
            window.mark(sequence);
            model.mark(sequence);
            REQUIRE(window.highest() == model.highest());
        }
        for (const int count : counts) CHECK(count > 1000);  // else the numbers tried too little
    }
}

TEST_CASE("the largest window takes what is late by a million packets, once") {
    constexpr std::uint64_t size = 1048576;
    constexpr std::uint64_t start = (std::uint64_t{1} << 32U) - size / 2;
    ReplayWindow window{size, start};
    REQUIRE(window.size() == size);
    window.mark(start + size);
    CHECK(window.check(start) == Answer::too_old);
    for (std::uint64_t late = start + size - 1; late > start; late -= 1021) {
        REQUIRE(window.check(late) == Answer::fresh);
        window.mark(late);
        REQUIRE(window.check(late) == Answer::replayed);
        if (late < start + 1021) break;
    }
    window.mark(start + 2 * size);
    CHECK(window.check(start + size) == Answer::too_old);
    CHECK(window.check(start + size + 1) == Answer::fresh);
}

TEST_CASE("every number of the window is right after every jump around a word's edge") {
    constexpr std::uint64_t size = 128;
    for (std::uint64_t start = 1; start <= 2 * size + 65; ++start) {
        for (std::uint64_t jump = 1; jump <= 5 * 64 + 1; ++jump) {
            ReplayWindow window{size};
            StupidWindow model{size};
            for (const std::uint64_t sequence : {start, start + jump}) {
                window.mark(sequence);
                model.mark(sequence);
            }
            for (std::uint64_t sequence = 0; sequence <= start + jump + 1; ++sequence) {
                if (window.check(sequence) == model.check(sequence)) continue;
                CAPTURE(start);
                CAPTURE(jump);
                CAPTURE(sequence);
                FAIL("differs from the model");
            }
        }
    }
}

TEST_CASE("the size is rounded up to whole words, and is at least one") {
    struct Case {
        std::size_t asked;
        std::size_t got;
    };

    for (const Case& c :
         {Case{0, 64}, {1, 64}, {64, 64}, {65, 128}, {8191, 8192}, {8192, 8192}, {10'000, 10'048}})
        CHECK(ReplayWindow{c.asked}.size() == c.got);
    CHECK(ReplayWindow{}.size() == 8192);
}

TEST_CASE("sequence number 0 is never fresh, not even before the first packet") {
    ReplayWindow window{64};
    CHECK(window.check(0) == Answer::replayed);
    CHECK(window.check(1) == Answer::fresh);
    window.mark(1'000'000);
    CHECK(window.check(0) == Answer::replayed);
}

TEST_CASE("late packets are taken once, down to the window's last number") {
    ReplayWindow window{64};
    window.mark(100);
    CHECK(window.check(36) == Answer::too_old);
    for (std::uint64_t sequence = 37; sequence < 100; ++sequence) {
        REQUIRE(window.check(sequence) == Answer::fresh);
        window.mark(sequence);
        REQUIRE(window.check(sequence) == Answer::replayed);
    }
    CHECK(window.highest() == 100);
}

TEST_CASE("asking changes nothing") {
    ReplayWindow window{64};
    window.mark(10);
    CHECK(window.check(5'000) == Answer::fresh);
    CHECK(window.check(5'000) == Answer::fresh);
    CHECK(window.check(9) == Answer::fresh);
    CHECK(window.highest() == 10);
}

TEST_CASE("a window that starts at a number takes nothing up to it and everything above") {
    constexpr std::uint64_t last = std::numeric_limits<std::uint64_t>::max();
    for (const std::uint64_t highest :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{63}, std::uint64_t{64}, std::uint64_t{8191},
          (std::uint64_t{1} << 32U) - 1, last - 300}) {
        ReplayWindow window{128, highest};
        CAPTURE(highest);
        CHECK(window.highest() == highest);
        for (std::uint64_t back = 0; back <= 300 && back <= highest; ++back)
            REQUIRE(window.check(highest - back) != Answer::fresh);
        for (std::uint64_t sequence = highest + 300; sequence > highest; --sequence) {
            if (window.highest() >= sequence + 128) continue;
            REQUIRE(window.check(sequence) == Answer::fresh);
            window.mark(sequence);
            REQUIRE(window.check(sequence) == Answer::replayed);
        }
    }
}

TEST_CASE("a jump over the whole of the numbers forgets everything old") {
    constexpr std::uint64_t last = std::numeric_limits<std::uint64_t>::max();
    ReplayWindow window{8192};
    for (std::uint64_t sequence = 1; sequence <= 20'000; ++sequence) window.mark(sequence);
    window.mark(last);
    CHECK(window.check(last) == Answer::replayed);
    CHECK(window.check(20'000) == Answer::too_old);
    for (std::uint64_t back = 1; back < 8192; ++back) REQUIRE(window.check(last - back) == Answer::fresh);
    CHECK(window.check(last - 8192) == Answer::too_old);
}

TEST_CASE("a window goes on in another process: what was seen is a replay, what was not is fresh") {
    std::mt19937_64 random{42};
    for (const std::uint64_t size : {64U, 1024U, 8192U}) {
        ReplayWindow old(size);
        for (int i = 0; i < 5000; ++i) {
            const std::uint64_t sequence = next_sequence(random, old.highest(), size);
            if (old.check(sequence) == Answer::fresh) old.mark(sequence);
        }
        const ReplayWindow next(size, old.highest(), old.recent());
        const std::uint64_t judged =
            std::min<std::uint64_t>({size, ReplayWindow::recent_numbers, old.highest()});
        for (std::uint64_t n = 0; n < judged; ++n)
            CHECK(next.check(old.highest() - n) == old.check(old.highest() - n));
        CHECK(next.check(old.highest() + 1) == Answer::fresh);
    }
}

TEST_CASE("what is older than a handed over window tells counts as seen") {
    ReplayWindow old;
    old.mark(5000);
    const ReplayWindow next(ReplayWindow::default_size, old.highest(), old.recent());
    CHECK(old.check(5000 - ReplayWindow::recent_numbers) == Answer::fresh);
    CHECK(next.check(5000 - ReplayWindow::recent_numbers) == Answer::replayed);
    CHECK(next.check(5000 - ReplayWindow::recent_numbers + 1) == Answer::fresh);
}

TEST_CASE("the highest number was seen, whatever is said of it") {
    const ReplayWindow window(64, 100, ReplayWindow::Recent{});
    CHECK(window.check(100) == Answer::replayed);
    CHECK(window.check(99) == Answer::fresh);
    CHECK(ReplayWindow(64, 0, ReplayWindow::Recent{}).check(0) == Answer::replayed);
}
