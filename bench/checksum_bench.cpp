// The Internet checksum over a payload, and its update when one word changes.
#include <cstddef>
#include <cstdint>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/support/cost.h"
#include "vswitch/checksum.h"

namespace weft::bench {
namespace {

void sum(benchmark::State& state) {
    const std::vector<std::uint8_t> payload(static_cast<std::size_t>(state.range(0)), 0xA5);
    const Cost cost(state, 1);
    while (state.KeepRunning()) {
        ChecksumSum checksum;
        checksum.add(payload);
        benchmark::DoNotOptimize(checksum.finish());
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}

void update(benchmark::State& state) {
    std::uint16_t checksum = 0x1234;
    std::uint16_t ttl_and_protocol = 0x4011;
    const Cost cost(state, 1);
    while (state.KeepRunning()) {
        const auto after = static_cast<std::uint16_t>(ttl_and_protocol - 0x100);
        checksum = update_checksum(checksum, ttl_and_protocol, after);
        ttl_and_protocol = after;
        benchmark::DoNotOptimize(checksum);
    }
}

BENCHMARK(sum)->Name("checksum/sum")->ArgName("bytes")->Arg(64)->Arg(1400)->Arg(65536);
BENCHMARK(update)->Name("checksum/update");

}  // namespace
}  // namespace weft::bench
