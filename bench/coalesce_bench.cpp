// The segments of a TCP super-frame, which arrived one by one, are joined again for one write. A packet here
// is a segment.
#include <cstdlib>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/support/cost.h"
#include "bench/support/super_frame.h"
#include "vswitch/coalesce.h"
#include "vswitch/gso.h"

namespace weft::bench {
namespace {

using test::ip;
using test::mac;

// Off the clock the segments are cut anew: joining rewrites the first one's headers.
void join(benchmark::State& state, const SuperFrame& super) {
    PacketPool pool(4 + super.segments());
    const Packet original = super.build(pool, mac("02:00:00:00:00:02"), mac("02:00:00:00:00:01"));
    std::vector<Packet> segments;
    segments.reserve(super.segments());
    std::vector<iovec> parts(super.segments());
    Coalescer coalescer;
    Cost cost(state);
    while (state.KeepRunning()) {
        if (!segment(super.with_metadata(original.clone()), 14, segments)) std::abort();
        std::size_t written = 0;
        cost.batch(super.segments(), [&] {
            for (const auto& run : coalescer.arrange(segments, LinkLayer::ethernet, true))
                written += coalescer.gather(run, segments, parts).size();
        });
        if (written != super.segments()) std::abort();
        segments.clear();
    }
}

BENCHMARK_CAPTURE(join, tcp4, SuperFrame{ip("10.1.0.2"), ip("10.2.0.2")})
    ->Name("coalesce/tcp4")
    ->UseManualTime();
BENCHMARK_CAPTURE(join, tcp6, SuperFrame{ip("2001:db8:1::2"), ip("2001:db8:2::2")})
    ->Name("coalesce/tcp6")
    ->UseManualTime();

}  // namespace
}  // namespace weft::bench
