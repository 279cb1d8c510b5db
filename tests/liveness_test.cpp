#include "overlay/liveness.h"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using weft::Duration;
using weft::Instant;
using weft::Liveness;

namespace {

constexpr Instant start{1000s};

}  // namespace

TEST_CASE("a peer with which nothing was exchanged wants nothing and is not silent") {
    const Liveness liveness;
    CHECK_FALSE(liveness.wants_dummy(start + 24h));
    CHECK_FALSE(liveness.silent(start + 24h));
    CHECK_FALSE(liveness.last_heard());
}

TEST_CASE("data that was heard and not answered is answered with a dummy after a second") {
    Liveness liveness;
    liveness.heard(start, true);
    CHECK_FALSE(liveness.wants_dummy(start + 999ms));
    CHECK(liveness.wants_dummy(start + 1s));

    SUBCASE("a dummy pays the answer") {
        liveness.sent_dummy(start + 1s);
    }
    SUBCASE("so does data") {
        liveness.sent(start + 1s);
    }

    CHECK_FALSE(liveness.wants_dummy(start + 1h));
}

TEST_CASE("the answer is due from the first unanswered data packet, not from the latest") {
    Liveness liveness;
    for (auto time = 0ms; time <= 1000ms; time += 100ms) liveness.heard(start + time, true);
    CHECK(liveness.wants_dummy(start + 1s));
}

TEST_CASE("a dummy provokes no dummy") {
    Liveness a;
    Liveness b;
    a.sent(start);
    b.heard(start, true);
    unsigned dummies = 0;
    for (auto now = start; now < start + 1min; now += 100ms) {
        if (a.wants_dummy(now)) {
            ++dummies;
            a.sent_dummy(now);
            b.heard(now, false);
        }
        if (b.wants_dummy(now)) {
            ++dummies;
            b.sent_dummy(now);
            a.heard(now, false);
        }
    }
    CHECK(dummies == 1);
    CHECK_FALSE(a.silent(start + 1min));
}

TEST_CASE("a peer is silent three seconds after the first data packet that nothing answered") {
    Liveness liveness;
    liveness.sent(start);
    liveness.sent(start + 2s);
    CHECK_FALSE(liveness.silent(start + 2999ms));
    CHECK(liveness.silent(start + 3s));

    SUBCASE("hearing data ends it") {
        liveness.heard(start + 4s, true);
    }
    SUBCASE("hearing a dummy ends it") {
        liveness.heard(start + 4s, false);
    }

    CHECK_FALSE(liveness.silent(start + 1h));
    CHECK(liveness.last_heard() == start + 4s);
    liveness.sent(start + 1h);
    CHECK_FALSE(liveness.silent(start + 1h + 2s));
    CHECK(liveness.silent(start + 1h + 3s));
}

TEST_CASE("dummies expect no answer") {
    Liveness liveness;
    liveness.sent_dummy(start);
    CHECK_FALSE(liveness.silent(start + 24h));
}

TEST_CASE("a persistent keepalive is wanted whenever nothing was sent for its interval") {
    Liveness liveness{Liveness::Options{.keepalive = 20s}};
    CHECK(liveness.wants_dummy(start));
    liveness.sent_dummy(start);
    CHECK_FALSE(liveness.wants_dummy(start + 19s));
    CHECK(liveness.wants_dummy(start + 20s));
    liveness.sent(start + 20s);
    CHECK_FALSE(liveness.wants_dummy(start + 39s));
    CHECK(liveness.wants_dummy(start + 40s));
}

TEST_CASE("the spans are options") {
    Liveness liveness{Liveness::Options{.answer_after = 10ms, .silent_after = 50ms}};
    liveness.heard(start, true);
    CHECK(liveness.wants_dummy(start + 10ms));
    liveness.sent(start + 10ms);
    CHECK(liveness.silent(start + 60ms));
}
