#include <doctest/doctest.h>

#include "tests/support/emulated_link.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

std::shared_ptr<const Impairment> then(const Impairment& impairment) {
    return std::make_shared<const Impairment>(impairment);
}

Impairment of_delay(Duration delay) {
    Impairment impairment;
    impairment.delay.mean = delay;
    return impairment;
}

Impairment traced(LinkTrace trace) {
    Impairment impairment;
    impairment.trace = std::make_shared<const LinkTrace>(std::move(trace));
    return impairment;
}

std::vector<Duration> delays_of(const EmulatedLink& link, Duration distance) {
    std::vector<Duration> delays(link.sent, -1ns);
    for (const auto& arrival : link.arrivals) delays[arrival.number] = arrival.at - arrival.number * distance;
    return delays;
}

}  // namespace

TEST_CASE("a schedule changes a link at its times, and begins again after `repeat`") {
    Impairment impairment = of_delay(1ms);
    impairment.schedule = {{10ms, then(of_delay(2ms))}, {20ms, then(of_delay(3ms))}};
    impairment.repeat = 30ms;
    EmulatedLink link{impairment};
    link.send_evenly(90, 1ms);
    link.run_for(1s);
    const auto delays = delays_of(link, 1ms);
    for (std::size_t i = 0; i < 90; ++i) {
        const std::size_t phase = i % 30;
        // Where the delay gets shorter, a packet waits for the one before it.
        if (i >= 30 && phase < 2) continue;
        CHECK(delays[i] == (phase < 10 ? 1ms : phase < 20 ? 2ms : 3ms));
    }
}

TEST_CASE("without `repeat` the last entry stays") {
    Impairment impairment = of_delay(1ms);
    impairment.schedule = {{10ms, then(of_delay(5ms))}};
    EmulatedLink link{impairment};
    link.run_until(10s);
    link.send();
    link.run_for(1s);
    CHECK(link.arrivals[0].at == 10005ms);
    CHECK(link.wire.next() == Instant::max());
}

TEST_CASE("a scheduled failure cuts what is under way at its time, and not at that of the next packet") {
    Impairment impairment = of_delay(10ms);
    Impairment down = impairment;
    down.up = false;
    impairment.schedule = {{15ms, then(down)}, {25ms, then(of_delay(10ms))}};
    EmulatedLink link{impairment};
    for (int i = 0; i < 40; ++i) {
        link.send();
        link.now += 1ms;  // nobody asks in between
    }
    link.run_for(1s);
    for (std::uint32_t i = 0; i < 40; ++i) CHECK(link.arrived(i) == (i <= 5 || i >= 25));
    CHECK(link.wire.counters().cut == 19);
    CHECK(link.balances());
}

TEST_CASE("a trace sets delay, loss and rate, leaves the rest as configured, and begins again") {
    LinkTrace trace;
    trace.steps = {{.at = 0ms, .delay = 1ms, .loss = {}, .rate = {}},
                   {.at = 10ms, .delay = {}, .loss = 1.0, .rate = {}},
                   {.at = 20ms, .delay = {}, .loss = {}, .rate = {}}};
    trace.length = 30ms;
    Impairment impairment = traced(trace);
    impairment.delay.mean = 4ms;
    EmulatedLink link{impairment};
    link.send_evenly(90, 1ms);
    link.run_for(1s);
    const auto delays = delays_of(link, 1ms);
    for (std::size_t i = 0; i < 90; ++i) {
        const std::size_t phase = i % 30;
        if (i >= 30 && phase < 3) continue;  // behind those that were slower
        CHECK(delays[i] == (phase < 10 ? 1ms : phase < 20 ? -1ns : 4ms));
    }
}

TEST_CASE("at a rate of zero a link stands still, and goes on from there") {
    LinkTrace trace;
    trace.steps = {{.at = 0ms, .delay = {}, .loss = {}, .rate = 8'000'000},
                   {.at = 10ms, .delay = {}, .loss = {}, .rate = 0},
                   {.at = 20ms, .delay = {}, .loss = {}, .rate = 8'000'000}};
    trace.length = 1s;
    EmulatedLink link{traced(trace)};
    for (int i = 0; i < 15; ++i) link.send(1000);
    link.run_until(500ms);
    REQUIRE(link.arrivals.size() == 15);
    CHECK(link.arrivals[9].at == 10ms);
    CHECK(link.arrivals[10].at == 11ms);  // was being sent already
    CHECK(link.arrivals[11].at == 21ms);
    CHECK(link.arrivals[14].at == 24ms);
}

TEST_CASE("by a trace of opportunities, each carries 1500 bytes above Ethernet") {
    LinkTrace trace;
    trace.opportunities = {2ms, 4ms, 4ms, 10ms};
    trace.length = 10ms;
    EmulatedLink link{traced(trace)};
    for (int i = 0; i < 8; ++i) link.send(1514);
    link.run_until(1s);
    REQUIRE(link.arrivals.size() == 8);
    const std::array at{2ms, 4ms, 4ms, 10ms, 12ms, 14ms, 14ms, 20ms};
    for (std::size_t i = 0; i < 8; ++i) CHECK(link.arrivals[i].at == at[i]);
}

TEST_CASE("small packets share an opportunity, large ones need several, unused ones are gone") {
    LinkTrace trace;
    for (int i = 1; i <= 10; ++i) trace.opportunities.push_back(i * 1ms);
    trace.length = 10ms;
    EmulatedLink link{traced(trace)};
    for (int i = 0; i < 3; ++i) link.send(514);  // three times 500
    link.send(3014);                             // twice 1500
    link.run_until(7500us);
    REQUIRE(link.arrivals.size() == 4);
    CHECK(link.arrivals[2].at == 1ms);
    CHECK(link.arrivals[3].at == 3ms);
    link.send(1514);
    link.run_until(10500us);
    CHECK(link.arrivals[4].at == 8ms);
    link.send(1514);  // the round that begins at 10 ms has its first at 11
    link.run_until(1s);
    CHECK(link.arrivals[5].at == 11ms);
    CHECK(link.balances());
}

TEST_CASE("a trace of opportunities is a rate in the long run, across its end, too") {
    LinkTrace trace;
    for (int i = 1; i <= 7; ++i) trace.opportunities.push_back(i * 3ms);  // 4 Mbit/s
    trace.length = 21ms;
    Impairment impairment = traced(trace);
    impairment.queue.packets = 5000;
    EmulatedLink link{impairment};
    for (int i = 0; i < 3000; ++i) link.send(1514);
    link.run_until(100s);
    REQUIRE(link.arrivals.size() == 3000);
    CHECK(link.arrivals.back().at == 3000 * 3ms);
}

TEST_CASE("an idle wire with a schedule that is over has nothing to do") {
    Impairment impairment;
    impairment.schedule = {{1ms, then(Impairment{})}};
    EmulatedLink link{impairment};
    CHECK(link.wire.next() == EmulatedLink::start + 1ms);
    link.run_until(2ms);
    CHECK(link.wire.next() == Instant::max());
}
