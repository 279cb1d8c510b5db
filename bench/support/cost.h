// What a packet costs: nanoseconds and cycles, beside Google Benchmark's own columns.
//
// Its Time column is of an iteration, which here is as a rule a batch of packets; `ns` and `cycles` are of
// one packet, and items_per_second counts packets. Cycles are those of the time stamp counter, which ticks at
// the processor's nominal frequency whatever the real one is (virtual machines seldom let a program see its
// own); without such a counter the column is missing.
//
// Two ways to measure:
//
//   Cost cost(state, n);                    // the whole loop, an iteration being n packets
//   while (state.KeepRunning()) { ... }
//
//   Cost cost(state);                       // only what batch() runs; the benchmark is registered with
//   UseManualTime() while (state.KeepRunning()) {
//       ... prepare the packets ...
//       cost.batch(packets, [&] { ... });
//   }
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include <benchmark/benchmark.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace weft::bench {

class Cost {
  public:
    explicit Cost(benchmark::State& state, std::size_t packets_per_iteration = 0)
        : state_(state), packets_per_iteration_(packets_per_iteration), begin_(now()) {}

    Cost(const Cost&) = delete;
    Cost& operator=(const Cost&) = delete;

    ~Cost() {
        if (packets_per_iteration_ > 0) {
            spent_ = now() - begin_;
            packets_ = packets_per_iteration_ * static_cast<std::size_t>(state_.iterations());
        }
        if (packets_ == 0) return;
        const auto packets = static_cast<double>(packets_);
        state_.SetItemsProcessed(static_cast<std::int64_t>(packets_));
        state_.counters["ns"] = std::chrono::duration<double, std::nano>(spent_.time).count() / packets;
        if (spent_.cycles > 0) state_.counters["cycles"] = static_cast<double>(spent_.cycles) / packets;
    }

    template <class Work>
    void batch(std::size_t packets, Work&& work) {
        const Point before = now();
        work();
        const Point after = now();
        const Point spent = after - before;
        spent_ = {spent_.time + spent.time, spent_.cycles + spent.cycles};
        packets_ += packets;
        state_.SetIterationTime(std::chrono::duration<double>(spent.time).count());
    }

  private:
    struct Point {
        std::chrono::nanoseconds time{};
        std::uint64_t cycles = 0;

        friend Point operator-(const Point& a, const Point& b) noexcept {
            return {a.time - b.time, a.cycles - b.cycles};
        }
    };

    static Point now() noexcept {
        Point point{.time = std::chrono::steady_clock::now().time_since_epoch()};
#if defined(__x86_64__)
        point.cycles = __rdtsc();
#endif
        return point;
    }

    benchmark::State& state_;
    std::size_t packets_per_iteration_;
    std::size_t packets_ = 0;
    Point begin_;
    Point spent_;
};

}  // namespace weft::bench
