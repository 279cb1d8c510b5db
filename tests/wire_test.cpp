#include "vswitch/emulation/wire.h"

#include <bit>
#include <cmath>

#include <doctest/doctest.h>

#include "tests/support/datagrams.h"
#include "tests/support/emulated_link.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

Impairment of_rate(std::uint64_t rate) {
    Impairment impairment;
    impairment.rate = rate;
    return impairment;
}

Impairment of_delay(Duration delay) {
    Impairment impairment;
    impairment.delay.mean = delay;
    return impairment;
}

// A TCP super-frame of `segments` segments of 1000 bytes.
Packet super_frame(PacketPool& pool, std::size_t segments) {
    Packet packet = PacketBuilder()
                        .ethernet(mac("02:00:00:00:00:02"), mac("02:00:00:00:00:01"))
                        .ip(ip("10.0.0.1"), ip("10.0.0.2"))
                        .tcp(1000, 2000)
                        .payload(segments * 1000)
                        .build(pool);
    packet.offload() = {
        .gso = Offload::Gso::tcp4, .needs_checksum = true, .gso_size = 1000, .checksum_offset = 16};
    packet.set_checksum_start(34);
    return packet;
}

std::size_t differing_bits(const Packet& a, const Bytes& b) {
    std::size_t bits = 0;
    for (std::size_t i = 0; i < b.size(); ++i)
        bits += static_cast<std::size_t>(std::popcount(static_cast<unsigned>(a.data()[i] ^ b[i])));
    return bits;
}

}  // namespace

TEST_CASE("a wire that does nothing hands a frame on at once") {
    EmulatedLink link{Impairment{}};
    link.send();
    REQUIRE(link.arrivals.size() == 1);
    CHECK(link.arrivals[0].at == 0ns);
    CHECK(link.wire.next() == Instant::max());
}

TEST_CASE("a delay is exact, and the order is kept") {
    EmulatedLink link{of_delay(10ms)};
    link.send_evenly(100, 1ms);
    CHECK(link.wire.under_way_packets() == 9);
    link.run_until(1s);
    REQUIRE(link.arrivals.size() == 100);
    for (std::uint32_t i = 0; i < 100; ++i) {
        CHECK(link.arrivals[i].number == i);
        CHECK(link.arrivals[i].at == i * 1ms + 10ms);
    }
}

TEST_CASE("a changed delay is for what comes; nothing that is under way is overtaken") {
    EmulatedLink link{of_delay(100ms)};
    link.send();
    link.wire.set(of_delay(10ms), link.now);
    link.send();
    link.run_until(1s);
    REQUIRE(link.arrivals.size() == 2);
    CHECK(link.arrivals[0].at == 100ms);
    CHECK(link.arrivals[0].number == 0);
    CHECK(link.arrivals[1].at == 100ms);
}

TEST_CASE("a rate is exact to the nanosecond in the long run, however seldom the wire is asked") {
    for (const std::uint64_t rate : {1'000'000ULL, 9'999'991ULL, 100'000'000ULL, 500'000'000ULL}) {
        CAPTURE(rate);
        Impairment impairment = of_rate(rate);
        impairment.queue.packets = 1000;
        EmulatedLink link{impairment};
        for (int i = 0; i < 1000; ++i) link.send(1500);
        link.run_until(100s);
        REQUIRE(link.arrivals.size() == 1000);
        const auto expected = static_cast<std::int64_t>(1000.0 * 1500 * 8e9 / static_cast<double>(rate));
        CHECK(std::abs(link.arrivals.back().at.count() - expected) <= 1);

        EmulatedLink seldom{impairment};
        for (int i = 0; i < 1000; ++i) seldom.send(1500);
        seldom.now += 99s;
        seldom.run_until(100s);
        CHECK(seldom.arrivals.size() == 1000);
        seldom.send(1500);  // and after that it has not slept longer than it had to
        CHECK(seldom.wire.under_way_packets() == 1);
    }
}

TEST_CASE("a packet leaves when its last bit has, and the delay comes on top") {
    Impairment impairment = of_rate(8'000'000);  // a byte a microsecond
    impairment.delay.mean = 5ms;
    EmulatedLink link{impairment};
    link.send(1000);
    link.send(500);
    link.run_until(1s);
    REQUIRE(link.arrivals.size() == 2);
    CHECK(link.arrivals[0].at == 6ms);
    CHECK(link.arrivals[1].at == 6500us);
}

TEST_CASE("a queue of packets holds as many, beside the one that is being sent") {
    Impairment impairment = of_rate(1'000'000);
    impairment.queue.packets = 10;
    EmulatedLink link{impairment};
    for (int i = 0; i < 20; ++i) link.send(1000);
    CHECK(link.wire.queued_packets() == 10);
    CHECK(link.wire.counters().queue_full == 9);
    link.run_until(1s);
    CHECK(link.arrivals.size() == 11);
    CHECK(link.arrivals.back().number == 10);
    CHECK(link.balances());
}

TEST_CASE("a queue of bytes takes what fits, also when a larger packet did not") {
    Impairment impairment = of_rate(1'000'000);
    impairment.queue.bytes = 2500;
    EmulatedLink link{impairment};
    link.send(1000);  // is being sent
    link.send(1000);
    link.send(1000);
    link.send(1000);
    link.send(500);
    CHECK(link.wire.queued_bytes() == 2500);
    CHECK(link.wire.counters().queue_full == 1);
    link.run_until(1s);
    CHECK(link.arrivals.size() == 4);
}

TEST_CASE("what is queued leaves at the new rate") {
    EmulatedLink link{of_rate(8'000)};  // a byte a millisecond
    link.send(100);
    link.send(100);
    link.run_until(50ms);
    link.wire.set(of_rate(8'000'000), link.now);
    link.run_until(1s);
    REQUIRE(link.arrivals.size() == 2);
    CHECK(link.arrivals[0].at == 100ms);  // it was being sent already
    CHECK(link.arrivals[1].at == 100100us);
}

TEST_CASE("without its rate a wire is empty at once") {
    EmulatedLink link{of_rate(8'000)};
    for (int i = 0; i < 3; ++i) link.send(100);
    link.wire.set(Impairment{}, link.now);
    link.run_until(1s);
    REQUIRE(link.arrivals.size() == 3);
    CHECK(link.arrivals[2].at == 100ms);
    CHECK(link.wire.queued_packets() == 0);
}

TEST_CASE("the MTU is that of the layer above Ethernet and its tag") {
    Impairment impairment;
    impairment.mtu = 1500;
    EmulatedLink link{impairment};
    link.send(1514);
    link.send(1515);
    Packet tagged = link.frame(2, 1518);
    tagged.data()[12] = 0x81;
    tagged.data()[13] = 0x00;
    link.send(std::move(tagged));
    CHECK(link.arrivals.size() == 2);
    CHECK(link.wire.counters().too_big == 1);
    CHECK(link.balances());

    EmulatedLink datagrams{impairment, 1, "link", LinkLayer::none};
    datagrams.send(1500);
    datagrams.send(1501);
    CHECK(datagrams.arrivals.size() == 1);
}

TEST_CASE("a wire that goes down loses what is queued and under way, and nothing that has arrived") {
    Impairment impairment = of_rate(8'000'000);
    impairment.delay.mean = 10ms;
    EmulatedLink link{impairment};
    for (int i = 0; i < 5; ++i) link.send(1000);  // arrive after 11, 12, ... ms
    link.now += 12500us;                          // nobody has asked meanwhile
    link.wire.set_up(false, link.now);
    CHECK_FALSE(link.wire.is_up());
    link.send(100);
    link.run_until(100ms);
    CHECK(link.arrivals.size() == 2);
    CHECK(link.wire.counters().cut == 4);
    link.wire.set_up(true, link.now);
    link.send(1000);
    link.run_until(200ms);
    REQUIRE(link.arrivals.size() == 3);
    CHECK(link.arrivals.back().at == 111ms);
    CHECK(link.balances());
}

TEST_CASE("a wire is up if it is configured so and switched on") {
    Impairment impairment;
    impairment.up = false;
    EmulatedLink link{impairment};
    link.wire.set_up(true, link.now);
    CHECK_FALSE(link.wire.is_up());
    link.wire.set(Impairment{}, link.now);
    CHECK(link.wire.is_up());
    link.wire.set_up(false, link.now);
    link.wire.set(of_delay(1ms), link.now);
    CHECK_FALSE(link.wire.is_up());
}

TEST_CASE("super-frames are cut where packets count, and only there") {
    std::vector<Packet> got;
    EmulatedLink whole{of_delay(1ms)};
    whole.keep = &got;
    whole.send(super_frame(whole.pool, 5));
    whole.run_until(1s);
    REQUIRE(got.size() == 1);
    CHECK(got[0].offload().gso == Offload::Gso::tcp4);
    CHECK(whole.wire.counters().offered_packets == 1);
    got.clear();

    EmulatedLink cut{of_rate(8'000'000)};
    cut.keep = &got;
    cut.send(super_frame(cut.pool, 5));
    cut.run_until(1s);
    REQUIRE(got.size() == 5);
    for (const Packet& segment : got) {
        CHECK(segment.size() == 1054);
        CHECK(segment.offload().gso == Offload::Gso::none);
    }
    CHECK(cut.wire.counters().offered_packets == 5);
    CHECK(cut.arrivals[4].at == 5 * 1054us);
    got.clear();
}

TEST_CASE("a super-frame behind one tag or two, a customer's or a provider's, is cut as one without") {
    for (const std::uint16_t outer : {std::uint16_t{0x8100}, std::uint16_t{0x88A8}}) {
        for (const std::size_t tags : {1U, 2U}) {
            CAPTURE(outer);
            CAPTURE(tags);
            Impairment impairment = of_rate(1'000'000'000);
            impairment.mtu = 1040;  // a segment's, tags aside
            EmulatedLink link{impairment};
            std::vector<Packet> got;
            link.keep = &got;
            PacketBuilder builder;
            builder.ethernet(mac("02:00:00:00:00:02"), mac("02:00:00:00:00:01"), outer).vlan(VlanId{10});
            if (tags == 2) builder.vlan(VlanId{20});
            Packet packet =
                builder.ip(ip("10.0.0.1"), ip("10.0.0.2")).tcp(1000, 2000).payload(3000).build(link.pool);
            packet.offload() = {
                .gso = Offload::Gso::tcp4, .needs_checksum = true, .gso_size = 1000, .checksum_offset = 16};
            packet.set_checksum_start(34 + 4 * tags);
            link.send(std::move(packet));
            link.run_until(1s);
            CHECK(link.wire.counters().queue_full == 0);
            CHECK(link.wire.counters().too_big == 0);
            REQUIRE(got.size() == 3);
            for (const Packet& segment : got) CHECK(segment.size() == 1054 + 4 * tags);
        }
    }
}

TEST_CASE("an error in a packet stays one, whoever was to complete its checksum") {
    Impairment impairment;
    impairment.bit_error_rate = 0.001;
    std::vector<Packet> got;
    EmulatedLink link{impairment};
    link.keep = &got;
    const Bytes right = PacketBuilder()
                            .ethernet(mac("02:00:00:00:00:02"), mac("02:00:00:00:00:01"))
                            .ip(ip("10.0.0.1"), ip("10.0.0.2"))
                            .udp(1000, 2000)
                            .payload(200)
                            .build();
    for (int i = 0; i < 2000; ++i) {
        Packet packet = link.pool.take(right);
        const std::uint16_t partial =
            ChecksumSum{pseudo_header_sum(ip("10.0.0.1"), ip("10.0.0.2"), 17, 208)}.partial();
        packet.data()[40] = static_cast<std::uint8_t>(partial >> 8U);
        packet.data()[41] = static_cast<std::uint8_t>(partial);
        packet.offload() = {.needs_checksum = true, .checksum_offset = 6};
        packet.set_checksum_start(34);
        link.send(std::move(packet));
    }
    REQUIRE(got.size() == 2000);
    std::size_t wrong = 0;
    std::size_t bits = 0;
    for (const Packet& packet : got) {
        if (packet.offload().needs_checksum) continue;  // untouched
        ++wrong;
        const std::size_t turned = differing_bits(packet, right);
        CHECK(turned > 0);
        CHECK_FALSE(packet.offload().checksum_valid);
        bits += turned;
    }
    CHECK(wrong == link.wire.counters().corrupted);
    const double expected = 2000.0 * static_cast<double>(right.size()) * 8 * 0.001;
    CHECK(std::abs(static_cast<double>(bits) - expected) < 2.576 * std::sqrt(expected));
    got.clear();
}

TEST_CASE("duplicates follow their originals, and are counted") {
    Impairment impairment = of_delay(1ms);
    impairment.duplicate = 1;
    EmulatedLink link{impairment};
    link.send_evenly(10, 1ms);
    link.run_until(1s);
    REQUIRE(link.arrivals.size() == 20);
    for (std::uint32_t i = 0; i < 20; ++i) CHECK(link.arrivals[i].number == i / 2);
    CHECK(link.wire.counters().duplicated == 10);
    CHECK(link.balances());
}

TEST_CASE("a packet that is reordered is not delayed, and overtakes") {
    Impairment impairment = of_delay(10ms);
    impairment.reorder = 0.25;
    EmulatedLink link{impairment};
    link.send_evenly(4000, 1ms);
    link.run_until(10s);
    REQUIRE(link.arrivals.size() == 4000);
    std::size_t at_once = 0;
    for (const auto& arrival : link.arrivals) {
        const Duration delay = arrival.at - arrival.number * 1ms;
        CHECK((delay == 0ms || delay == 10ms));
        if (delay == 0ms) ++at_once;
    }
    CHECK(at_once == link.wire.counters().reordered);
    CHECK(std::abs(static_cast<double>(at_once) - 1000) < 2.576 * std::sqrt(4000 * 0.25 * 0.75));
}

TEST_CASE("with everything at once, every packet is in exactly one place, at each moment") {
    Impairment impairment = of_rate(5'000'000);
    impairment.mtu = 1400;
    impairment.loss = GilbertElliottLoss{.to_bad = 0.05, .to_good = 0.3, .loss_good = 0.01, .loss_bad = 0.9};
    impairment.bit_error_rate = 1e-5;
    impairment.duplicate = 0.05;
    impairment.reorder = 0.05;
    impairment.delay.mean = 10ms;
    impairment.delay.jitter = 3ms;
    impairment.delay.shape = DelayModel::Shape::normal;
    impairment.delay.reorders = true;
    for (const auto discipline : {QueueModel::Discipline::drop_tail, QueueModel::Discipline::codel,
                                  QueueModel::Discipline::fq_codel}) {
        impairment.queue.discipline = discipline;
        impairment.queue.packets = 50;
        EmulatedLink link{impairment};
        for (int i = 0; i < 20'000; ++i) {
            link.send(i % 7 == 0 ? super_frame(link.pool, 3)
                                 : link.frame(link.sent++, static_cast<std::size_t>(64 + i % 1500)));
            link.run_for(1300us);
            if (i % 1000 == 500) link.wire.set_up(false, link.now);
            if (i % 1000 == 520) link.wire.set_up(true, link.now);
            if (!link.balances()) REQUIRE(link.balances());
        }
        link.run_for(10s);
        CHECK(link.balances());
        const WireCounters& c = link.wire.counters();
        CHECK(link.wire.queued_packets() + link.wire.under_way_packets() == 0);
        CHECK(c.lost > 0);
        CHECK(c.cut > 0);
        CHECK(c.too_big > 0);
        CHECK(c.queue_full + c.aqm_dropped > 0);
        CHECK(link.pool.available() == link.pool.size());
    }
}

TEST_CASE("a wire leaves half of the pool to others") {
    EmulatedLink link{of_delay(10s)};
    for (int i = 0; i < 10'000; ++i) link.send();
    CHECK(link.pool.available() >= link.pool.size() / 2 - 1);
    CHECK(link.wire.counters().queue_full > 0);
    CHECK(link.balances());
}
