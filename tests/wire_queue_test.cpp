#include <doctest/doctest.h>

#include "tests/support/emulated_link.h"
#include "vswitch/emulation/codel.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint8_t ect = 2;
constexpr std::uint8_t experienced = 3;

Impairment limited(QueueModel::Discipline discipline) {
    Impairment impairment;
    impairment.rate = 10'000'000;
    impairment.queue.discipline = discipline;
    return impairment;
}

Packet datagram(PacketPool& pool, std::uint16_t port, std::size_t size, std::uint8_t traffic_class = 0) {
    return PacketBuilder()
        .ethernet(mac("02:00:00:00:00:02"), mac("02:00:00:00:00:01"))
        .ip(ip("10.0.0.1"), ip("10.0.0.2"))
        .traffic_class(traffic_class)
        .udp(port, 5000)
        .payload(size - 42)
        .build(pool);
}

// What a flow whose packets have this size meets: the time from sending to arrival, in order. The flow sends
// one each `distance`.
std::vector<Duration> waits_of(const EmulatedLink& link, std::size_t size, Duration distance) {
    std::vector<Duration> waits;
    for (const auto& arrival : link.arrivals) {
        if (arrival.size != size) continue;
        waits.push_back(arrival.at - static_cast<std::int64_t>(waits.size()) * distance);
    }
    return waits;
}

// Packets of 1250 bytes, a fifth more than the link carries: 1 ms each at 10 Mbit/s.
struct Overload {
    explicit Overload(QueueModel::Discipline discipline, std::uint8_t traffic_class = 0,
                      Duration length = 40s)
        : link(limited(discipline)) {
        link.keep = &got;
        const auto count = static_cast<std::size_t>(length / 833us);
        for (std::size_t i = 0; i < count; ++i) {
            link.send(datagram(link.pool, 1000, 1250, traffic_class));
            link.run_for(833us);
            longest_now = link.wire.queued_packets();
            if (i >= count / 2) longest = std::max(longest, longest_now);
            for (const Packet& packet : got)
                if ((packet.data()[15] & experienced) == experienced) ++marked;
            got.clear();
        }
        link.run_for(10s);
        for (const Packet& packet : got)
            if ((packet.data()[15] & experienced) == experienced) ++marked;
        got.clear();
    }

    std::vector<Packet> got;
    EmulatedLink link;
    std::size_t longest_now = 0;
    std::size_t longest = 0;  // in the second half
    std::size_t marked = 0;
};

}  // namespace

TEST_CASE("a drop-tail queue stands full, CoDel's does not") {
    const Overload drop_tail{QueueModel::Discipline::drop_tail};
    CHECK(drop_tail.longest == 1000);
    CHECK(drop_tail.link.wire.counters().aqm_dropped == 0);

    // What does not answer to its losses is held, too, but not at the target: the queue swings, as CoDel
    // finds out again and again how much is to be dropped.
    const Overload codel{QueueModel::Discipline::codel};
    CHECK(codel.longest < 300);
    CHECK(codel.link.wire.counters().aqm_dropped > 0);
    CHECK(codel.link.wire.counters().queue_full == 0);
    CHECK(codel.link.balances());
}

TEST_CASE("CoDel holds the queue of a sender that answers to losses at its target, and the link stays busy") {
    struct Result {
        Duration median;
        double used;
    };

    // A window that grows by a packet a round trip and is halved by a loss, over 10 Mbit/s and 2 * 25 ms.
    const auto run = [](QueueModel::Discipline discipline) {
        Impairment impairment = limited(discipline);
        impairment.delay.mean = 25ms;
        EmulatedLink link{impairment};
        std::vector<Duration> sent;
        std::vector<Duration> queued;
        double window = 10;
        std::size_t seen = 0;         // arrivals whose acknowledgment is back
        std::uint32_t expected = 0;   // the next number, if nothing is lost
        std::uint32_t recovered = 0;  // losses up to here belong to one event
        while (link.now < EmulatedLink::start + 60s) {
            const Duration time = link.now - EmulatedLink::start;
            for (; seen < link.arrivals.size() && link.arrivals[seen].at + 25ms <= time; ++seen) {
                const auto& arrival = link.arrivals[seen];
                if (arrival.number != expected && arrival.number >= recovered) {
                    window = std::max(2.0, window / 2);
                    recovered = link.sent;
                } else {
                    window += 1 / window;
                }
                expected = arrival.number + 1;
                if (time > 20s) queued.push_back(arrival.at - sent[arrival.number] - 26ms);
            }
            while (static_cast<double>(link.sent - expected) < window) {
                sent.push_back(time);
                link.send(1250);
            }
            link.run_for(200us);
        }
        std::ranges::sort(queued);
        return Result{queued[queued.size() / 2], static_cast<double>(queued.size()) / 40'000};
    };
    const Result codel = run(QueueModel::Discipline::codel);
    CHECK(codel.median < 8ms);
    CHECK(codel.used > 0.8);
    const Result drop_tail = run(QueueModel::Discipline::drop_tail);
    CHECK(drop_tail.median > 150ms);
}

TEST_CASE("CoDel marks what understands it, and drops nothing of it") {
    const Overload marking{QueueModel::Discipline::codel, ect, 2s};
    const WireCounters& counters = marking.link.wire.counters();
    CHECK(counters.aqm_marked > 5);
    CHECK(counters.aqm_marked == marking.marked);
    CHECK(counters.aqm_dropped == 0);
}

TEST_CASE("CoDel leaves a burst alone that is over within its interval") {
    EmulatedLink link{limited(QueueModel::Discipline::codel)};
    for (int burst = 0; burst < 20; ++burst) {
        for (int i = 0; i < 90; ++i) link.send(1250);
        link.run_for(500ms);
    }
    CHECK(link.arrivals.size() == 20 * 90);
    CHECK(link.wire.counters().aqm_dropped == 0);
}

TEST_CASE("CoDel's first drop is an interval after the queue stands, and the next by its law") {
    Impairment impairment = limited(QueueModel::Discipline::codel);
    impairment.queue.packets = 10'000;
    EmulatedLink link{impairment};
    for (int i = 0; i < 900; ++i) link.send(1250);  // 900 ms of packets
    std::vector<Duration> drops;
    std::uint64_t seen = 0;
    while (link.now < EmulatedLink::start + 500ms) {
        link.run_for(100us);
        if (link.wire.counters().aqm_dropped != seen) drops.push_back(link.now - EmulatedLink::start);
        seen = link.wire.counters().aqm_dropped;
    }
    // Above 5 ms from the 6th packet on; then 100 ms, and 100 ms / sqrt(n) from each to the next.
    REQUIRE(drops.size() >= 4);
    const std::array expected{105ms, 205ms, 275ms, 333ms};
    for (std::size_t i = 0; i < 4; ++i) CHECK(std::chrono::abs(drops[i] - expected[i]) <= 3ms);
}

TEST_CASE("FQ-CoDel lets a sparse flow pass a bulk transfer") {
    const auto longest_wait = [](QueueModel::Discipline discipline) {
        EmulatedLink link{limited(discipline)};
        for (int i = 0; i < 2000; ++i) {
            link.send(datagram(link.pool, 1000, 1250));
            link.send(datagram(link.pool, 1000, 1250));
            if (i % 20 == 0) link.send(datagram(link.pool, 2000, 100));
            link.run_for(1ms);
        }
        link.run_for(10s);
        auto waits = waits_of(link, 100, 20ms);
        REQUIRE(waits.size() > 20);
        waits.erase(waits.begin());  // at the beginning both flows are new
        return *std::ranges::max_element(waits);
    };
    CHECK(longest_wait(QueueModel::Discipline::fq_codel) <=
          1100us + 80us);  // one packet of the other's, and its own
    CHECK(longest_wait(QueueModel::Discipline::drop_tail) > 500ms);
}

TEST_CASE("FQ-CoDel shares the rate by bytes, however much each flow sends") {
    EmulatedLink link{limited(QueueModel::Discipline::fq_codel)};
    for (int i = 0; i < 5000; ++i) {
        link.send(datagram(link.pool, 1000, 1250));
        link.send(datagram(link.pool, 1000, 1250));
        link.send(datagram(link.pool, 1000, 1250));
        link.send(datagram(link.pool, 2000, 500));
        link.send(datagram(link.pool, 2000, 500));
        link.run_for(1ms);
    }
    std::size_t large = 0;
    std::size_t small = 0;
    for (const auto& arrival : link.arrivals) (arrival.size == 1250 ? large : small) += arrival.size;
    CHECK(static_cast<double>(small) / static_cast<double>(large + small) ==
          doctest::Approx(0.5).epsilon(0.02));
    CHECK(link.balances());
}

TEST_CASE("a full FQ-CoDel queue drops from the longest flow") {
    Impairment impairment = limited(QueueModel::Discipline::fq_codel);
    impairment.queue.packets = 100;
    EmulatedLink link{impairment};
    for (int i = 0; i < 1000; ++i) {
        link.send(datagram(link.pool, 1000, 1250));
        if (i % 50 == 0) link.send(datagram(link.pool, 2000, 100));
    }
    CHECK(link.wire.queued_packets() <= 100);
    link.run_for(10s);
    CHECK(waits_of(link, 100, 0ms).size() == 20);
    CHECK(link.balances());
}

TEST_CASE("with another discipline what waits goes on waiting, in order") {
    EmulatedLink link{limited(QueueModel::Discipline::drop_tail)};
    for (int i = 0; i < 50; ++i) link.send(1250);
    link.wire.set(limited(QueueModel::Discipline::fq_codel), link.now);
    CHECK(link.wire.queued_packets() == 49);
    link.wire.set(limited(QueueModel::Discipline::codel), link.now);
    link.run_for(1s);
    REQUIRE(link.arrivals.size() == 50);
    CHECK(std::ranges::is_sorted(link.arrivals, {}, &EmulatedLink::Arrival::number));
}

TEST_CASE(
    "a mark of congestion keeps the header's checksum right, and is not made where it is not understood") {
    PacketPool pool{8};
    Packet packet = datagram(pool, 1, 100, ect);
    CHECK(mark_congestion(packet, LinkLayer::ethernet));
    CHECK((packet.data()[15] & experienced) == experienced);
    CHECK(ipv4_header_checksum(packet.bytes().subspan(14, 20)) == 0);
    Packet plain = datagram(pool, 1, 100, 0);
    CHECK_FALSE(mark_congestion(plain, LinkLayer::ethernet));
    Packet tagged = PacketBuilder()
                        .ethernet(mac("02:00:00:00:00:02"), mac("02:00:00:00:00:01"))
                        .vlan(VlanId{7})
                        .ip(ip("2001:db8::1"), ip("2001:db8::2"))
                        .traffic_class(1)
                        .udp(1, 2)
                        .build(pool);
    CHECK(mark_congestion(tagged, LinkLayer::ethernet));
    CHECK((tagged.data()[19] >> 4U & 3U) == experienced);
    Packet cut = pool.take(Bytes(16, 0x45));
    CHECK_FALSE(mark_congestion(cut, LinkLayer::none));
}
