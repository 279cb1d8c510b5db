// The first stage of every walk: what a frame or a datagram is, and its flow's hash.
#include <array>
#include <span>

#include <benchmark/benchmark.h>

#include "bench/support/cost.h"
#include "tests/support/packet_builder.h"
#include "vswitch/flow.h"

namespace weft::bench {
namespace {

using test::Bytes;
using test::ip;
using test::mac;
using test::PacketBuilder;

PacketBuilder ethernet() {
    return PacketBuilder().ethernet(mac("02:00:00:00:00:02"), mac("02:00:00:00:00:01"));
}

PacketBuilder over_v4(PacketBuilder below = {}) {
    return below.ip(ip("10.1.0.2"), ip("10.2.0.2"));
}

PacketBuilder over_v6(PacketBuilder below = {}) {
    return below.ip(ip("2001:db8:1::2"), ip("2001:db8:2::2"));
}

void frame(benchmark::State& state, const Bytes& bytes) {
    const Cost cost(state, 1);
    while (state.KeepRunning()) {
        auto what = classify_frame(bytes, untagged);
        benchmark::DoNotOptimize(what);
    }
}

void datagram(benchmark::State& state, const Bytes& bytes) {
    const Cost cost(state, 1);
    while (state.KeepRunning()) {
        auto what = classify_datagram(bytes);
        benchmark::DoNotOptimize(what);
    }
}

void flow_hash(benchmark::State& state, const Bytes& bytes) {
    auto what = classify_datagram(bytes);
    const Cost cost(state, 1);
    while (state.KeepRunning()) {
        benchmark::DoNotOptimize(what);
        benchmark::DoNotOptimize(hash(what->flow));
    }
}

BENCHMARK_CAPTURE(frame, tcp4, over_v4(ethernet()).tcp(1000, 2000).payload(64).build())
    ->Name("classify/frame/tcp4");
BENCHMARK_CAPTURE(frame, udp4, over_v4(ethernet()).udp(1000, 2000).payload(64).build())
    ->Name("classify/frame/udp4");
BENCHMARK_CAPTURE(frame, tcp6, over_v6(ethernet()).tcp(1000, 2000).payload(64).build())
    ->Name("classify/frame/tcp6");
BENCHMARK_CAPTURE(frame, other, ethernet().payload(64).build())->Name("classify/frame/other");
BENCHMARK_CAPTURE(datagram, tcp4, over_v4().tcp(1000, 2000).payload(64).build())
    ->Name("classify/datagram/tcp4");
BENCHMARK_CAPTURE(datagram, tcp6, over_v6().tcp(1000, 2000).payload(64).build())
    ->Name("classify/datagram/tcp6");
BENCHMARK_CAPTURE(flow_hash, tcp4, over_v4().tcp(1000, 2000).payload(64).build())->Name("classify/hash/tcp4");
BENCHMARK_CAPTURE(flow_hash, tcp6, over_v6().tcp(1000, 2000).payload(64).build())->Name("classify/hash/tcp6");

}  // namespace
}  // namespace weft::bench
