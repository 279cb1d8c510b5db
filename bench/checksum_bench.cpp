// The Internet checksum over a payload, and its update when one word changes.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "vswitch/checksum.h"

namespace weft {
namespace {

void sum(benchmark::State& state) {
    const std::vector<std::uint8_t> payload(static_cast<std::size_t>(state.range(0)), 0xA5);
    for (auto _ : state) {
        ChecksumSum checksum;
        checksum.add(payload);
        benchmark::DoNotOptimize(checksum.finish());
    }
    state.SetItemsProcessed(state.iterations());
    state.SetBytesProcessed(state.iterations() * state.range(0));
}

BENCHMARK(sum)->Name("checksum/sum")->ArgName("bytes")->Arg(64)->Arg(1400)->Arg(65536);

void update(benchmark::State& state) {
    std::uint16_t checksum = 0x1234;
    std::uint16_t before = 0x4011;
    for (auto _ : state) {
        checksum = update_checksum(checksum, before, static_cast<std::uint16_t>(before - 0x100));
        before = checksum;
        benchmark::DoNotOptimize(checksum);
    }
    state.SetItemsProcessed(state.iterations());
}

BENCHMARK(update)->Name("checksum/update");

}  // namespace
}  // namespace weft
