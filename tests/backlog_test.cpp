#include "vswitch/backlog.h"

#include <doctest/doctest.h>

#include "tests/support/datagrams.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr std::size_t everything = 1U << 30U;

struct Waiting {
    PacketPool pool{128};
    Backlog backlog{LinkLayer::none};
    std::vector<Packet> batch;

    void add(const char* source, std::size_t payload) {
        batch.push_back(pool.take(udp_datagram(ip(source), ip("10.0.0.1"), payload)));
    }

    // The sources' last octets.
    static std::vector<int> take(std::vector<Packet>& packets) {
        std::vector<int> from;
        for (const Packet& packet : packets) from.push_back(packet.data()[15]);
        packets.clear();
        return from;
    }

    std::vector<int> urgent() { return take(backlog.urgent()); }

    std::vector<int> bulk(std::size_t bytes = everything) {
        backlog.take_bulk(bytes, batch);
        return take(batch);
    }
};

using From = std::vector<int>;

}  // namespace

TEST_CASE("small packets of flows of which nothing waits pass the bulk") {
    Waiting waiting;
    waiting.add("10.0.0.2", 9000);
    waiting.add("10.0.0.3", 100);
    waiting.add("10.0.0.2", 9000);
    waiting.add("10.0.0.4", 100);
    waiting.backlog.push(waiting.batch);
    CHECK(waiting.urgent() == From{3, 4});
    CHECK(waiting.bulk() == From{2, 2});
    CHECK(waiting.backlog.empty());
}

TEST_CASE("the packets of a flow stay in order, however small they are") {
    Waiting waiting;
    waiting.add("10.0.0.2", 9000);
    waiting.add("10.0.0.2", 10);
    waiting.backlog.push(waiting.batch);
    waiting.add("10.0.0.2", 10);
    waiting.backlog.push(waiting.batch);
    CHECK(waiting.urgent().empty());
    CHECK(waiting.bulk() == From{2, 2, 2});
    waiting.add("10.0.0.2", 10);
    waiting.backlog.push(waiting.batch);
    CHECK(waiting.urgent() == From{2});
}

TEST_CASE("the bulk is taken in order and by bytes") {
    Waiting waiting;
    for (const char* source : {"10.0.0.2", "10.0.0.3", "10.0.0.4"}) waiting.add(source, 9000);
    waiting.backlog.push(waiting.batch);
    CHECK(waiting.bulk(1) == From{2});
    CHECK(waiting.bulk(9100) == From{3, 4});
    CHECK(waiting.bulk().empty());
}

TEST_CASE("it holds a batch, again and again, and gives every buffer back") {
    Waiting waiting;
    for (int round = 0; round < 5; ++round) {
        CHECK(waiting.backlog.room() == Backlog::capacity);
        for (std::size_t i = 0; i < Backlog::capacity; ++i) waiting.add("10.0.0.2", 3000);
        waiting.backlog.push(waiting.batch);
        CHECK(waiting.backlog.room() == 0);
        CHECK(waiting.bulk(100'000).size() == 34);
        CHECK(waiting.bulk().size() == 30);
    }
    CHECK(waiting.pool.available() == waiting.pool.size());
}

TEST_CASE("what is no datagram waits like any other") {
    Waiting waiting;
    waiting.batch.push_back(waiting.pool.take(Bytes(3000, 0xFF)));
    waiting.batch.push_back(waiting.pool.take(Bytes(10, 0xFF)));
    waiting.backlog.push(waiting.batch);
    CHECK(waiting.urgent().empty());
    waiting.backlog.take_bulk(everything, waiting.batch);
    CHECK(waiting.batch.size() == 2);
}
