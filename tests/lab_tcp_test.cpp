// A TCP sender and receiver of simulated stations, joined by a path that a test makes as bad as it likes.
#include <chrono>
#include <deque>
#include <functional>
#include <map>

#include <doctest/doctest.h>

#include "lab/simulation/tcp_receiver.h"
#include "lab/simulation/tcp_sender.h"
#include "tests/support/packet_builder.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;
using lab::TcpSegment;

namespace {

constexpr Instant start{1000s};
constexpr std::size_t size = 1000;

// Each direction takes 10 ms. `drops` is asked about each segment there, with how many of data went before.
struct Connection {
    explicit Connection(std::uint32_t sequence = 0xFFFF'0000)
        : sender({.segment_size = size, .initial_sequence = sequence, .max_window = 64},
                 [this](const TcpSegment& segment) {
                     sent.push_back(segment);
                     const std::uint64_t number = segment.payload > 0 ? data++ : 0;
                     if (!drops || !drops(segment, number)) in_flight.emplace(now + 10ms, Way{true, segment});
                 }),
          receiver(7, size, [this](const TcpSegment& segment) {
              in_flight.emplace(now + 10ms, Way{false, segment});
          }) {}

    void run(Duration length) {
        const Instant end = now + length;
        for (;;) {
            const Instant arrival = in_flight.empty() ? Instant::max() : in_flight.begin()->first;
            const Instant next = std::min(arrival, sender.next());
            if (next >= end) break;
            REQUIRE(next >= now);
            now = next;
            if (arrival > now) {
                sender.run(now);
                continue;
            }
            const Way way = in_flight.begin()->second;
            in_flight.erase(in_flight.begin());
            if (way.there) {
                receiver.receive(way.segment);
            } else {
                sender.receive(way.segment, now);
            }
        }
        now = end;
    }

    struct Way {
        bool there;
        TcpSegment segment;
    };

    Instant now = start;
    std::function<bool(const TcpSegment&, std::uint64_t)> drops;
    std::uint64_t data = 0;
    std::vector<TcpSegment> sent;
    std::multimap<Instant, Way> in_flight;
    lab::TcpSender sender;
    lab::TcpReceiver receiver;
};

}  // namespace

TEST_CASE("a connection opens, doubles its window each round trip, and closes") {
    Connection tcp;
    tcp.sender.start(tcp.now);
    tcp.run(25ms);
    CHECK(tcp.sent[0].has(TcpHeader::syn));
    CHECK(tcp.data == 10);
    CHECK(tcp.sender.window() == 10);
    tcp.run(20ms);
    CHECK(tcp.data == 30);
    CHECK(tcp.sender.window() == 20);
    tcp.run(200ms);
    CHECK(tcp.sender.window() == 64);
    tcp.sender.close(tcp.now);
    tcp.run(100ms);
    CHECK(tcp.sent.back().flags == TcpHeader::ack);
    CHECK(tcp.sent[tcp.sent.size() - 2].has(TcpHeader::fin));
    CHECK(tcp.sender.next() == Instant::max());
    CHECK(tcp.receiver.received_bytes() == tcp.data * size);
    CHECK(tcp.sender.counters().acknowledged_bytes == tcp.data * size);
    CHECK(tcp.sender.counters().retransmitted == 0);
    CHECK(tcp.sender.round_trips().least() == 20ms);
}

TEST_CASE("segments leave no faster than a gigabit a second") {
    Connection tcp;
    std::vector<Instant> times;
    tcp.drops = [&](const TcpSegment& segment, std::uint64_t) {
        if (segment.payload > 0) times.push_back(tcp.now);
        return false;
    };
    tcp.sender.start(tcp.now);
    tcp.run(25ms);
    REQUIRE(times.size() == 10);
    CHECK(times[1] - times[0] == Duration{8 * (1000 + 54)});
}

TEST_CASE("a lost segment is sent again when three later ones have arrived, and the window is halved") {
    Connection tcp;
    tcp.drops = [](const TcpSegment&, std::uint64_t number) { return number == 300; };
    tcp.sender.start(tcp.now);
    tcp.run(500ms);
    const auto& counters = tcp.sender.counters();
    CHECK(counters.retransmitted == 1);
    CHECK(counters.recoveries == 1);
    CHECK(counters.timeouts == 0);
    CHECK(tcp.receiver.received_bytes() > 0);
    CHECK(tcp.sender.window() >= 32);
    CHECK(tcp.sender.window() < 64);
    CHECK(tcp.receiver.duplicates() == 0);
}

TEST_CASE("many segments that are lost at once are recovered in few round trips") {
    Connection tcp;
    tcp.drops = [](const TcpSegment&, std::uint64_t number) {
        return number > 200 && number < 260 && number % 2 == 0;
    };
    tcp.sender.start(tcp.now);
    tcp.run(3s);
    const auto& counters = tcp.sender.counters();
    CHECK(counters.retransmitted == 29);
    CHECK(counters.timeouts == 0);
    CHECK(tcp.receiver.duplicates() == 0);
}

TEST_CASE("a lost tail and a lost repetition are sent again by the timer") {
    Connection tcp;
    std::uint32_t victim = 0;
    int losses = 0;
    tcp.drops = [&](const TcpSegment& segment, std::uint64_t number) {
        if (number == 50) victim = segment.sequence;
        return segment.payload > 0 && segment.sequence == victim && losses++ < 2;
    };
    tcp.sender.start(tcp.now);
    tcp.run(5s);
    CHECK(tcp.sender.counters().timeouts == 1);
    const auto before = tcp.receiver.received_bytes();
    tcp.run(1s);
    CHECK(tcp.receiver.received_bytes() > before);
}

TEST_CASE("a path that is gone for long is tried less and less often, and used again") {
    Connection tcp;
    bool gone = false;
    tcp.drops = [&](const TcpSegment&, std::uint64_t) { return gone; };
    tcp.sender.start(tcp.now);
    tcp.run(1s);
    gone = true;
    tcp.run(100ms);
    const auto sent = tcp.sent.size();
    tcp.run(60s);
    CHECK(tcp.sent.size() - sent < 12);
    gone = false;
    const auto before = tcp.receiver.received_bytes();
    tcp.run(70s);
    CHECK(tcp.receiver.received_bytes() > before + 1000 * size);
}

TEST_CASE("lost SYNs and FINs are sent again") {
    Connection tcp;
    int syns = 0;
    int fins = 0;
    tcp.drops = [&](const TcpSegment& segment, std::uint64_t) {
        return (segment.has(TcpHeader::syn) && syns++ < 2) || (segment.has(TcpHeader::fin) && fins++ < 2);
    };
    tcp.sender.start(tcp.now);
    tcp.run(10s);
    CHECK(syns == 3);
    CHECK(tcp.receiver.received_bytes() > 0);
    tcp.sender.close(tcp.now);
    tcp.run(30s);
    CHECK(fins == 3);
    CHECK(tcp.sender.next() == Instant::max());
}

TEST_CASE("whatever is lost, everything arrives once and in order") {
    for (std::uint32_t seed = 1; seed <= 20; ++seed) {
        Connection tcp(seed * 0x1234'5678);
        std::uint32_t random = seed;
        tcp.drops = [&](const TcpSegment&, std::uint64_t) {
            random = random * 1664525 + 1013904223;
            return random >> 24U < 8;  // 3 %
        };
        tcp.sender.start(tcp.now);
        tcp.run(20s);
        tcp.sender.close(tcp.now);
        tcp.run(300s);
        CHECK(tcp.sender.next() == Instant::max());
        CHECK(tcp.receiver.received_bytes() == tcp.sender.counters().acknowledged_bytes);
        CHECK(tcp.receiver.received_bytes() > 1000 * size);
    }
}

TEST_CASE("a segment is written as it is read") {
    PacketPool pool(1);
    for (const bool v6 : {false, true}) {
        const lab::Endpoints between{.source = v6 ? ip("2001:db8::1") : ip("10.0.0.1"),
                                     .destination = v6 ? ip("2001:db8::2") : ip("10.0.0.2"),
                                     .source_port = 10'000,
                                     .destination_port = 5001};
        TcpSegment segment{.sequence = 0xFFFF'FFF0,
                           .acknowledgment = 77,
                           .flags = TcpHeader::ack,
                           .max_segment = std::nullopt,
                           .blocks = 2,
                           .block = {TcpSegment::Block{10, 20}, TcpSegment::Block{0xFFFF'FFFF, 5}},
                           .payload = 3};
        Packet packet = pool.take();
        write_tcp(packet, between, segment, Bytes{1, 2, 3});
        const auto received = lab::check_datagram(packet.bytes());
        REQUIRE(received);
        const auto parsed = lab::parse_tcp(received->transport);
        REQUIRE(parsed);
        CHECK(parsed->sequence == segment.sequence);
        CHECK(parsed->block == segment.block);
        CHECK(parsed->payload == 3);
        for (std::size_t i = 0; i < packet.size(); ++i) {
            packet.data()[i] ^= 1;
            const bool is_seen = !lab::check_datagram(packet.bytes());
            // IPv6 has no checksum of its own: its traffic class, flow label and hop limit are anybody's.
            const bool is_free = v6 && (i < 4 || i == 7);
            if (!is_free) CHECK(is_seen);
            packet.data()[i] ^= 1;
        }
    }
}

TEST_CASE("no truncation and no mutation of a segment's options is read beyond its end") {
    PacketPool pool(1);
    Packet packet = pool.take();
    const TcpSegment syn{.flags = TcpHeader::syn, .max_segment = std::uint16_t{1448}};
    write_tcp(packet, {.source = ip("10.0.0.1"), .destination = ip("10.0.0.2")}, syn, {});
    const Bytes whole(packet.bytes().begin() + 20, packet.bytes().end());
    CHECK(lab::parse_tcp(whole)->max_segment == 1448);
    for (std::size_t cut = 0; cut < whole.size(); ++cut) CHECK(!lab::parse_tcp(std::span{whole}.first(cut)));
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (int value = 0; value < 256; ++value) {
            Bytes changed = whole;
            changed[at] = static_cast<std::uint8_t>(value);
            (void)lab::parse_tcp(changed);
        }
    }
}
