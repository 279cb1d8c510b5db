// What a packet costs to seal and to open: by cipher, by backend and by size, through Aead alone and as ESP.
//
//   aead_bench --benchmark_repetitions=5 --benchmark_min_time=0.02 --benchmark_report_aggregates_only=true
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "crypto/esp.h"

namespace {

using weft::Aead;
using weft::AeadBackend;
using weft::Cipher;
using weft::Esp;

constexpr std::size_t max_size = 2048;
constexpr Cipher ciphers[] = {Cipher::aes_128_gcm, Cipher::aes_256_gcm, Cipher::chacha20_poly1305};

// A packet's bytes: text and tag in one row, as they stand in a datagram.
struct Packet {
    explicit Packet(std::size_t size) : bytes(size + weft::aead_tag_size) {}

    [[nodiscard]] std::span<std::uint8_t> text() {
        return std::span{bytes}.first(bytes.size() - weft::aead_tag_size);
    }

    [[nodiscard]] std::span<std::uint8_t, weft::aead_tag_size> tag() {
        return std::span{bytes}.last<weft::aead_tag_size>();
    }

    std::vector<std::uint8_t> bytes;
    std::array<std::uint8_t, weft::aead_nonce_size> nonce{};
    std::array<std::uint8_t, 12> associated{};
};

Aead make_aead(Cipher cipher, AeadBackend backend, Aead::Direction direction) {
    const std::vector<std::uint8_t> key(weft::key_size(cipher), 0x42);
    return {cipher, key, direction, backend};
}

void seal(benchmark::State& state, Cipher cipher, AeadBackend backend) {
    Aead aead = make_aead(cipher, backend, Aead::Direction::seal);
    Packet packet{static_cast<std::size_t>(state.range(0))};
    for (auto _ : state) {
        aead.seal(packet.nonce, packet.associated, packet.text(), packet.tag());
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}

void open(benchmark::State& state, Cipher cipher, AeadBackend backend) {
    Packet packet{static_cast<std::size_t>(state.range(0))};
    make_aead(cipher, backend, Aead::Direction::seal)
        .seal(packet.nonce, packet.associated, packet.text(), packet.tag());
    Aead aead = make_aead(cipher, backend, Aead::Direction::open);
    std::vector<std::uint8_t> plain(packet.text().size());
    for (auto _ : state) {
        if (!aead.open(packet.nonce, packet.associated, packet.text(), plain, packet.tag()))
            state.SkipWithError("the packet does not open");
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}

weft::SaKeys keys_of(Cipher cipher) {
    weft::SaKeys keys;
    keys.spi = 0x1234;
    keys.cipher = cipher;
    return keys;
}

// With the backend that this machine prefers.
void esp_seal(benchmark::State& state, Cipher cipher) {
    weft::OutboundSa outbound{keys_of(cipher)};
    std::array<std::uint8_t, max_size> packet{};
    for (auto _ : state) {
        benchmark::DoNotOptimize(Esp::seal(outbound, packet, static_cast<std::size_t>(state.range(0)), 17));
        benchmark::ClobberMemory();
    }
}

// A packet opens only once, so it is sealed anew each time: to be compared with esp_seal.
void esp_seal_and_open(benchmark::State& state, Cipher cipher) {
    weft::OutboundSa outbound{keys_of(cipher)};
    weft::InboundSa inbound{keys_of(cipher)};
    std::array<std::uint8_t, max_size> packet{};
    std::array<std::uint8_t, max_size> plain{};
    for (auto _ : state) {
        const auto size = Esp::seal(outbound, packet, static_cast<std::size_t>(state.range(0)), 17);
        if (!size || !Esp::open(inbound, std::span{packet}.first(*size), plain))
            state.SkipWithError("the packet does not open");
        benchmark::ClobberMemory();
    }
}

void add(const std::string& name, auto&& run) {
    benchmark::RegisterBenchmark(name.c_str(), run)->Arg(64)->Arg(256)->Arg(1400);
}

void add_all() {
    for (const Cipher cipher : ciphers) {
        const std::string of_cipher = '/' + std::string{to_string(cipher)};
        for (const AeadBackend backend : weft::aead_backends(cipher)) {
            const std::string name = of_cipher + '/' + std::string{to_string(backend)};
            add("seal" + name, [=](benchmark::State& state) { seal(state, cipher, backend); });
            add("open" + name, [=](benchmark::State& state) { open(state, cipher, backend); });
        }
        add("esp_seal" + of_cipher, [=](benchmark::State& state) { esp_seal(state, cipher); });
        add("esp_seal_and_open" + of_cipher,
            [=](benchmark::State& state) { esp_seal_and_open(state, cipher); });
    }
}

}  // namespace

int main(int argc, char** argv) {
    add_all();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
}
