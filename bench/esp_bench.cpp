// Whole ESP packets, sealed and opened: header, padding, the cipher, and at the opening end the replay
// window. The cipher alone is aead_bench.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/support/cost.h"
#include "crypto/esp.h"

namespace weft::bench {
namespace {

constexpr std::size_t batch_size = 64;
constexpr std::uint8_t next_header = 4;

using Buffer = std::vector<std::uint8_t>;

SaKeys keys(Cipher cipher) {
    SaKeys keys;
    keys.spi = 0x1001;
    keys.cipher = cipher;
    std::ranges::fill(keys.key.writable(), std::uint8_t{7});
    return keys;
}

void seal_into(OutboundSa& sa, Buffer& buffer, std::size_t payload_size) {
    if (!Esp::seal(sa, buffer, payload_size, next_header)) std::abort();
}

void open_in_place(InboundSa& sa, Buffer& buffer) {
    if (!Esp::open_in_place(sa, buffer)) std::abort();
}

void seal(benchmark::State& state, Cipher cipher) {
    const auto payload_size = static_cast<std::size_t>(state.range(0));
    OutboundSa sa(keys(cipher));
    Buffer buffer(Esp::sealed_size(payload_size));
    const Cost cost(state, 1);
    while (state.KeepRunning()) {
        seal_into(sa, buffer, payload_size);
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}

// Each packet can be opened only once, so batches of new ones are sealed off the clock.
void open(benchmark::State& state, Cipher cipher) {
    const auto payload_size = static_cast<std::size_t>(state.range(0));
    OutboundSa far(keys(cipher));
    InboundSa sa(keys(cipher));
    std::array<Buffer, batch_size> packets;
    packets.fill(Buffer(Esp::sealed_size(payload_size)));
    Cost cost(state);
    while (state.KeepRunning()) {
        for (Buffer& packet : packets) seal_into(far, packet, payload_size);
        cost.batch(batch_size, [&] {
            for (Buffer& packet : packets) open_in_place(sa, packet);
        });
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(batch_size) * state.range(0));
}

void sizes(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgName("bytes")->Arg(64)->Arg(256)->Arg(1400);
}

BENCHMARK_CAPTURE(seal, aes128, Cipher::aes_128_gcm)->Name("esp/seal/aes-128-gcm")->Apply(sizes);
BENCHMARK_CAPTURE(seal, aes256, Cipher::aes_256_gcm)->Name("esp/seal/aes-256-gcm")->Apply(sizes);
BENCHMARK_CAPTURE(seal, chacha, Cipher::chacha20_poly1305)->Name("esp/seal/chacha20-poly1305")->Apply(sizes);
BENCHMARK_CAPTURE(open, aes128, Cipher::aes_128_gcm)
    ->Name("esp/open/aes-128-gcm")
    ->Apply(sizes)
    ->UseManualTime();
BENCHMARK_CAPTURE(open, aes256, Cipher::aes_256_gcm)
    ->Name("esp/open/aes-256-gcm")
    ->Apply(sizes)
    ->UseManualTime();
BENCHMARK_CAPTURE(open, chacha, Cipher::chacha20_poly1305)
    ->Name("esp/open/chacha20-poly1305")
    ->Apply(sizes)
    ->UseManualTime();

}  // namespace
}  // namespace weft::bench
