// In steady state an emulated link allocates nothing.
#include <doctest/doctest.h>

#include "tests/support/allocation_counter.h"
#include "tests/support/packet_builder.h"
#include "vswitch/emulation/wire.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

TEST_CASE("a link in use allocates nothing, whatever it does") {
    Impairment impairment;
    impairment.rate = 8'000'000;
    impairment.loss = GilbertElliottLoss{.to_bad = 0.02, .to_good = 0.3};
    impairment.bit_error_rate = 1e-5;
    impairment.duplicate = 0.02;
    impairment.reorder = 0.02;
    impairment.delay.mean = 20ms;
    impairment.delay.jitter = 5ms;
    impairment.delay.shape = DelayModel::Shape::normal;
    impairment.delay.correlation = 0.3;
    impairment.delay.reorders = true;
    for (const auto discipline : {QueueModel::Discipline::drop_tail, QueueModel::Discipline::codel,
                                  QueueModel::Discipline::fq_codel}) {
        impairment.queue.discipline = discipline;
        PacketPool pool{4096};
        Instant now{1000s};
        Wire wire{impairment, {.seed = 1, .name = "link"}, now};
        const Bytes bytes = PacketBuilder()
                                .ethernet(mac("02:00:00:00:00:02"), mac("02:00:00:00:00:01"))
                                .ip(ip("10.0.0.1"), ip("10.0.0.2"))
                                .tcp(1000, 2000)
                                .payload(3000)
                                .build();
        std::vector<Packet> batch;
        std::vector<Packet> out;
        out.reserve(4096);
        allocations = 0;
        std::size_t arrived = 0;
        for (int i = 0; i < 30'000; ++i) {
            counting = i >= 20'000;
            Packet packet = pool.take(bytes);
            packet.offload() = {
                .gso = Offload::Gso::tcp4, .needs_checksum = true, .gso_size = 1000, .checksum_offset = 16};
            packet.set_checksum_start(34);
            batch.push_back(std::move(packet));
            wire.offer(batch, now);
            now += 2500us;
            wire.deliver(now, out);
            arrived += out.size();
            out.clear();
        }
        counting = false;
        CHECK(allocations == 0);
        CHECK(arrived > 30'000);
    }
}
