// What is drawn at random is held against what it should be: each test would fail one time in a hundred with
// another seed, but with this one, always or never.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numbers>
#include <numeric>

#include <doctest/doctest.h>

#include "tests/support/emulated_link.h"
#include "vswitch/emulation/quantiles.h"
#include "vswitch/emulation/random_stream.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t many = 100'000;
constexpr double in_99_percent = 2.576;

// In milliseconds.
std::vector<double> delays_of(const Impairment& impairment, std::size_t count = many) {
    EmulatedLink link{impairment};
    link.send_evenly(count, 100ms);
    link.run_for(10min);
    std::vector<double> delays;
    delays.reserve(link.arrivals.size());
    for (const auto& arrival : link.arrivals)
        delays.push_back(static_cast<double>((arrival.at - arrival.number * 100ms).count()) / 1e6);
    REQUIRE(delays.size() == count);
    return delays;
}

// The largest distance between the distribution of the samples and `below`(x), in units in which 1.63 is the
// bound of 99 % (Kolmogorov, Smirnov).
double distance(std::vector<double> samples, const std::function<double(double)>& below) {
    std::ranges::sort(samples);
    const auto n = static_cast<double>(samples.size());
    double most = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double p = below(samples[i]);
        most = std::max(
            {most, std::abs(p - static_cast<double>(i) / n), std::abs(static_cast<double>(i + 1) / n - p)});
    }
    return most * std::sqrt(n);
}

constexpr double bound = 1.63;

double normal_below(double x) {
    return std::erfc(-x / std::numbers::sqrt2) / 2;
}

double correlation_of(const std::vector<double>& values) {
    const auto n = static_cast<double>(values.size());
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
    double square = 0;
    double product = 0;
    for (std::size_t i = 0; i + 1 < values.size(); ++i) {
        square += (values[i] - mean) * (values[i] - mean);
        product += (values[i] - mean) * (values[i + 1] - mean);
    }
    return product / square;
}

Impairment jittered(DelayModel::Shape shape, Duration jitter, double correlation = 0) {
    Impairment impairment;
    impairment.delay = {.mean = 50ms,
                        .jitter = jitter,
                        .shape = shape,
                        .table = nullptr,
                        .correlation = correlation,
                        .reorders = true};
    return impairment;
}

// Which of `count` packets are lost.
std::vector<bool> losses_of(const LossModel& model, std::size_t count = many, std::uint64_t seed = 1,
                            std::string_view name = "link") {
    Impairment impairment;
    impairment.loss = model;
    EmulatedLink link{impairment, seed, name};
    for (std::size_t i = 0; i < count; ++i) link.send();
    std::vector<bool> lost(count, true);
    for (const auto& arrival : link.arrivals) lost[arrival.number] = false;
    return lost;
}

double share(const std::vector<bool>& lost) {
    return static_cast<double>(std::ranges::count(lost, true)) / static_cast<double>(lost.size());
}

double mean_burst(const std::vector<bool>& lost) {
    std::size_t bursts = 0;
    for (std::size_t i = 0; i < lost.size(); ++i)
        if (lost[i] && (i == 0 || !lost[i - 1])) ++bursts;
    return static_cast<double>(std::ranges::count(lost, true)) / static_cast<double>(bursts);
}

}  // namespace

TEST_CASE("uniform jitter is uniform") {
    const auto delays = delays_of(jittered(DelayModel::Shape::uniform, 20ms));
    CHECK(distance(delays, [](double x) { return std::clamp((x - 30) / 40, 0.0, 1.0); }) < bound);
    CHECK(distance(delays, [](double x) { return std::clamp((x - 29) / 42, 0.0, 1.0); }) > bound);
}

TEST_CASE("normal jitter is normal, and its deviation is as configured") {
    const auto delays = delays_of(jittered(DelayModel::Shape::normal, 8ms));
    CHECK(distance(delays, [](double x) { return normal_below((x - 50) / 8); }) < bound);
    CHECK(distance(delays, [](double x) { return normal_below((x - 50) / 8.2); }) > bound);
}

TEST_CASE("Pareto jitter is Pareto's, moved to the mean and scaled to the deviation") {
    const auto delays = delays_of(jittered(DelayModel::Shape::pareto, 8ms));
    const auto below = [](double x) {
        const double value = (x - 50) / 8 * std::sqrt(0.75) + 1.5;
        return value <= 1 ? 0 : 1 - std::pow(value, -3);
    };
    CHECK(distance(delays, below) < bound);
    CHECK(distance(delays, [&](double x) { return below(x + 0.1); }) > bound);
}

TEST_CASE("jitter by a table is distributed as the table") {
    auto table = std::make_shared<DelayTable>();
    table->quantiles = {-1, -0.5, 0.5, 2};  // three parts, each of a third
    Impairment impairment = jittered(DelayModel::Shape::table, 10ms);
    impairment.delay.table = table;
    const auto delays = delays_of(impairment);
    CHECK(distance(delays, [](double x) {
              const double q = (x - 50) / 10;
              if (q < -0.5) return std::max(0.0, (q + 1) / 0.5 / 3);
              if (q < 0.5) return (1 + (q + 0.5)) / 3;
              return std::min(1.0, (2 + (q - 0.5) / 1.5) / 3);
          }) < bound);
}

TEST_CASE("correlated jitter has the same distribution, and neighbors that are alike") {
    const auto normal = delays_of(jittered(DelayModel::Shape::normal, 8ms, 0.5));
    CHECK(std::abs(correlation_of(normal) - 0.5) < 0.02);
    // Samples that depend on one another wander further: a bound that is wider by sqrt((1 + r) / (1 - r)).
    CHECK(distance(normal, [](double x) { return normal_below((x - 50) / 8); }) < bound * std::sqrt(3));
    const auto uniform = delays_of(jittered(DelayModel::Shape::uniform, 20ms, 0.8));
    CHECK(std::abs(correlation_of(uniform) - 6 / std::numbers::pi * std::asin(0.4)) < 0.02);
    CHECK(distance(uniform, [](double x) { return std::clamp((x - 30) / 40, 0.0, 1.0); }) < bound * 3);
}

TEST_CASE("the tables are the same everywhere") {
    CHECK(Quantiles::normal().fingerprint() == 16333258633274967971U);
    CHECK(Quantiles::pareto().fingerprint() == 13978455468175029438U);
}

TEST_CASE("jitter keeps the order unless it may not") {
    Impairment impairment = jittered(DelayModel::Shape::uniform, 20ms);
    for (const bool reorders : {false, true}) {
        impairment.delay.reorders = reorders;
        EmulatedLink link{impairment};
        link.send_evenly(1000, 1ms);
        link.run_for(1s);
        CHECK(std::ranges::is_sorted(link.arrivals, {}, &EmulatedLink::Arrival::number) != reorders);
    }
}

TEST_CASE("random loss is within its 99 % interval") {
    for (const double p : {0.001, 0.01, 0.1, 0.5}) {
        CAPTURE(p);
        const double got = share(losses_of(RandomLoss{p}));
        CHECK(std::abs(got - p) < in_99_percent * std::sqrt(p * (1 - p) / many));
    }
    CHECK(share(losses_of(RandomLoss{1})) == 1);
    CHECK(share(losses_of(NoLoss{})) == 0);
}

TEST_CASE("correlated loss loses as many, in longer bursts") {
    const auto lost = losses_of(RandomLoss{.probability = 0.1, .correlation = 0.5});
    // The variance of a mean of a chain: (1 + r) / (1 - r) times that of independent packets.
    CHECK(std::abs(share(lost) - 0.1) < in_99_percent * std::sqrt(3 * 0.1 * 0.9 / many));
    const std::vector<double> values(lost.begin(), lost.end());
    CHECK(std::abs(correlation_of(values) - 0.5) < 0.02);
}

TEST_CASE("every n-th packet is lost") {
    const auto lost = losses_of(EveryNthLoss{10}, 100);
    for (std::size_t i = 0; i < 100; ++i) CHECK(lost[i] == (i % 10 == 9));
    CHECK(share(losses_of(EveryNthLoss{1}, 100)) == 1);
}

TEST_CASE("Gilbert-Elliott's bursts have the length that the chain gives them") {
    const auto lost =
        losses_of(GilbertElliottLoss{.to_bad = 0.01, .to_good = 0.25, .loss_good = 0, .loss_bad = 1});
    CHECK(std::abs(share(lost) - 0.01 / 0.26) < 0.004);
    std::map<std::size_t, std::size_t> lengths;
    std::size_t bursts = 0;
    for (std::size_t i = 0, length = 0; i < lost.size(); ++i) {
        if (lost[i]) {
            ++length;
        } else if (length > 0) {
            ++lengths[std::min<std::size_t>(length, 12)];
            ++bursts;
            length = 0;
        }
    }
    // Geometric: chi squared over 12 classes, with 11 degrees of freedom, is below 24.7 in 99 of 100 cases.
    double chi = 0;
    double rest = 1;
    for (std::size_t length = 1; length <= 12; ++length) {
        const double p = length == 12 ? rest : rest * 0.25;
        rest -= p;
        const double expected = p * static_cast<double>(bursts);
        const double got = static_cast<double>(lengths[length]);
        chi += (got - expected) * (got - expected) / expected;
    }
    CHECK(chi < 24.7);
    CHECK(std::abs(mean_burst(lost) - 4) < 0.35);
}

TEST_CASE("Gilbert-Elliott's states have losses of their own") {
    const auto lost =
        losses_of(GilbertElliottLoss{.to_bad = 0.02, .to_good = 0.1, .loss_good = 0.01, .loss_bad = 0.4});
    const double bad = 0.02 / 0.12;
    CHECK(std::abs(share(lost) - (bad * 0.4 + (1 - bad) * 0.01)) < 0.008);
}

TEST_CASE("the four states are visited as often as the chain says") {
    const FourStateLoss model{.p13 = 0.02, .p31 = 0.2, .p32 = 0.3, .p23 = 0.4, .p14 = 0.01};
    const auto lost = losses_of(model);
    // Balance: p1 (p13) = p3 p31, p2 p23 = p3 p32, p4 = p1 p14.
    const double p3 = 0.02 / 0.2;
    const double p2 = p3 * 0.3 / 0.4;
    const double p4 = 0.01;
    CHECK(std::abs(share(lost) - (p3 + p4) / (1 + p2 + p3 + p4)) < 0.006);
    // A loss ends when it leaves state 3 or 4: out of 3 with a half, out of 4 always.
    CHECK(std::abs(mean_burst(lost) - (p3 + p4) / (p3 * 0.5 + p4)) < 0.06);
}

TEST_CASE("corrupted packets are as many as the bit error rate says") {
    for (const double rate : {1e-6, 1e-5, 1e-4}) {
        CAPTURE(rate);
        Impairment impairment;
        impairment.bit_error_rate = rate;
        EmulatedLink link{impairment};
        for (std::size_t i = 0; i < many; ++i) link.send(1000);
        const double p = 1 - std::pow(1 - rate, 8000);
        const double got = static_cast<double>(link.wire.counters().corrupted) / many;
        CHECK(std::abs(got - p) < in_99_percent * std::sqrt(p * (1 - p) / many));
    }
}

TEST_CASE("duplicates are as many as configured") {
    Impairment impairment;
    impairment.duplicate = 0.03;
    EmulatedLink link{impairment};
    for (std::size_t i = 0; i < many; ++i) link.send();
    const double got = static_cast<double>(link.wire.counters().duplicated) / many;
    CHECK(std::abs(got - 0.03) < in_99_percent * std::sqrt(0.03 * 0.97 / many));
}

TEST_CASE("the same seed and name choose the same, others differ") {
    const RandomLoss model{0.3};
    const auto once = losses_of(model, 1000, 7, "a");
    CHECK(once == losses_of(model, 1000, 7, "a"));
    CHECK(once != losses_of(model, 1000, 8, "a"));
    CHECK(once != losses_of(model, 1000, 7, "b"));
}

TEST_CASE("one kind of choice does not change another") {
    Impairment lossy;
    lossy.loss = RandomLoss{0.3};
    Impairment worse = lossy;
    worse.duplicate = 0.2;
    worse.bit_error_rate = 1e-4;
    worse.delay.mean = 10ms;
    worse.delay.jitter = 5ms;
    EmulatedLink one{lossy};
    EmulatedLink other{worse};
    for (int i = 0; i < 1000; ++i) {
        one.send();
        other.send();
    }
    CHECK(one.wire.counters().lost == other.wire.counters().lost);
}

TEST_CASE("the stream is this one, on every platform") {
    RandomStream random{1, "link", "loss"};
    CHECK(random.next() == 4162514390996515626U);
}
