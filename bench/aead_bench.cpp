// What the authenticated encryption of a packet costs: every cipher with every backend that this machine has.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "crypto/aead.h"

namespace weft::bench {
namespace {

// A packet's bytes: text and tag in one row, as they stand in a datagram.
struct Packet {
    explicit Packet(std::size_t size) : bytes(size + aead_tag_size) {}

    [[nodiscard]] std::span<std::uint8_t> text() {
        return std::span{bytes}.first(bytes.size() - aead_tag_size);
    }

    [[nodiscard]] std::span<std::uint8_t, aead_tag_size> tag() {
        return std::span{bytes}.last<aead_tag_size>();
    }

    std::vector<std::uint8_t> bytes;
    std::array<std::uint8_t, aead_nonce_size> nonce{};
    std::array<std::uint8_t, 12> associated{};
};

// What the arguments of a run stand for.
struct Subject {
    explicit Subject(benchmark::State& state)
        : cipher(static_cast<Cipher>(state.range(0))),
          backend(static_cast<AeadBackend>(state.range(1))),
          size(static_cast<std::size_t>(state.range(2))) {
        state.SetLabel(std::string{to_string(cipher)} + " by " + std::string{to_string(backend)});
    }

    [[nodiscard]] Aead aead(Aead::Direction direction) const {
        const std::vector<std::uint8_t> key(key_size(cipher), 0x42);
        return {cipher, key, direction, backend};
    }

    Cipher cipher;
    AeadBackend backend;
    std::size_t size;
};

void seal(benchmark::State& state) {
    const Subject subject{state};
    Aead aead = subject.aead(Aead::Direction::seal);
    Packet packet{subject.size};
    while (state.KeepRunning()) {
        aead.seal(packet.nonce, packet.associated, packet.text(), packet.tag());
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * state.range(2));
}

// From one buffer into another, so that the packet can be opened again.
void open(benchmark::State& state) {
    const Subject subject{state};
    Packet packet{subject.size};
    subject.aead(Aead::Direction::seal).seal(packet.nonce, packet.associated, packet.text(), packet.tag());
    Aead aead = subject.aead(Aead::Direction::open);
    std::vector<std::uint8_t> plain(subject.size);
    while (state.KeepRunning()) {
        if (!aead.open(packet.nonce, packet.associated, packet.text(), plain, packet.tag()))
            state.SkipWithError("the packet does not open");
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * state.range(2));
}

void everything(benchmark::internal::Benchmark* of) {
    of->ArgNames({"cipher", "backend", "bytes"});
    for (const Cipher cipher : preferred_ciphers()) {
        for (const AeadBackend backend : aead_backends(cipher)) {
            for (const std::int64_t size : {64, 256, 1400})
                of->Args({static_cast<std::int64_t>(cipher), static_cast<std::int64_t>(backend), size});
        }
    }
}

BENCHMARK(seal)->Name("aead/seal")->Apply(everything);
BENCHMARK(open)->Name("aead/open")->Apply(everything);

}  // namespace
}  // namespace weft::bench
