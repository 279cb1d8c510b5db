// In steady state an emulated link allocates nothing: this program counts every call of operator new.
#include <cstdlib>
#include <new>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"
#include "vswitch/emulation/wire.h"

namespace {

bool counting = false;
std::size_t allocations = 0;

void* allocate(std::size_t size, std::size_t alignment) {
    if (counting) ++allocations;
    size = (size + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, size == 0 ? alignment : size);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

void* operator new(std::size_t size) {
    return allocate(size, alignof(std::max_align_t));
}

void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}

void operator delete(void* memory) noexcept {
    std::free(memory);  // NOLINT(clang-analyzer-cplusplus.NewDelete): this is the operator
}

void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}

void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

TEST_CASE("the counter sees an allocation") {
    allocations = 0;
    counting = true;
    const std::vector<int> some(3);
    counting = false;
    CHECK(allocations == 1);
    CHECK(some.size() == 3);
}

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
