// The bridge's table: a lookup and the refresh that goes with every frame, and learning, with few and many
// stations. Stations are asked for in random order, as the worst of traffic would.
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/support/cost.h"
#include "vswitch/mac_table.h"

namespace weft::bench {
namespace {

constexpr PortId port{0};
constexpr Instant start{std::chrono::seconds{1000}};

MacAddress station(std::uint32_t number) {
    return {{0x02, 0, static_cast<std::uint8_t>(number >> 24U), static_cast<std::uint8_t>(number >> 16U),
             static_cast<std::uint8_t>(number >> 8U), static_cast<std::uint8_t>(number)}};
}

MacTable table_of(std::uint32_t stations) {
    MacTable table({.entries = stations, .entries_per_port = stations});
    table.add_port(port);
    for (std::uint32_t i = 0; i < stations; ++i) table.learn(untagged, station(i), port, start);
    return table;
}

// More than the processor's caches remember of the order, and a power of two.
std::vector<MacAddress> random_stations(std::uint32_t stations) {
    std::mt19937 random(1);
    std::vector<MacAddress> order(1U << 18U);
    for (MacAddress& each : order) each = station(static_cast<std::uint32_t>(random() % stations));
    return order;
}

void lookup_and_learn(benchmark::State& state) {
    const auto stations = static_cast<std::uint32_t>(state.range(0));
    MacTable table = table_of(stations);
    const auto order = random_stations(stations);
    std::size_t at = 0;
    const Cost cost(state, 1);
    while (state.KeepRunning()) {
        table.learn(untagged, order[(at + 1) % order.size()], port, start);
        benchmark::DoNotOptimize(table.lookup(untagged, order[at++ % order.size()], start));
    }
}

// Every station is new, and the table full: each evicts another.
void learn_new(benchmark::State& state) {
    const auto stations = static_cast<std::uint32_t>(state.range(0));
    MacTable table = table_of(stations);
    std::uint32_t next = stations;
    const Cost cost(state, 1);
    while (state.KeepRunning()) table.learn(untagged, station(next++), port, start);
    benchmark::DoNotOptimize(table.size());
}

BENCHMARK(lookup_and_learn)
    ->Name("mac_table/lookup_and_learn")
    ->ArgName("stations")
    ->Arg(1000)
    ->Arg(1'000'000);
BENCHMARK(learn_new)->Name("mac_table/learn_new")->ArgName("stations")->Arg(1000)->Arg(1'000'000);

}  // namespace
}  // namespace weft::bench
