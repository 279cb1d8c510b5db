// A 64 KiB TCP super-frame becomes segments of an MTU. A packet here is a segment.
#include <cstdlib>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/support/cost.h"
#include "bench/support/super_frame.h"
#include "vswitch/gso.h"

namespace weft::bench {
namespace {

using test::ip;
using test::mac;

void cut(benchmark::State& state, const SuperFrame& super) {
    PacketPool pool(4 + super.segments());
    const Packet original = super.build(pool, mac("02:00:00:00:00:02"), mac("02:00:00:00:00:01"));
    std::vector<Packet> segments;
    segments.reserve(super.segments());
    Cost cost(state);
    while (state.KeepRunning()) {
        Packet packet = super.with_metadata(original.clone());
        cost.batch(super.segments(), [&] {
            if (!segment(std::move(packet), 14, segments)) std::abort();
        });
        if (segments.size() != super.segments()) std::abort();
        segments.clear();
    }
}

BENCHMARK_CAPTURE(cut, tcp4, SuperFrame{ip("10.1.0.2"), ip("10.2.0.2")})
    ->Name("segment/tcp4")
    ->UseManualTime();
BENCHMARK_CAPTURE(cut, tcp6, SuperFrame{ip("2001:db8:1::2"), ip("2001:db8:2::2")})
    ->Name("segment/tcp6")
    ->UseManualTime();

}  // namespace
}  // namespace weft::bench
