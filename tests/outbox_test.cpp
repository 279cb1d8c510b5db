#include "overlay/outbox.h"

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"

using namespace weft;

namespace {

const Destination there{.remote = *Endpoint::parse("192.0.2.2:4500")};
const Destination elsewhere{.remote = *Endpoint::parse("192.0.2.3:4500")};

struct Box {
    PacketPool pool{8};
    Outbox outbox;
    Outbox::Place place;

    void append(std::size_t size, const Destination& to = there) {
        CHECK(outbox.append(pool, place, to, size).size() == size);
    }

    // How many datagrams each train holds.
    [[nodiscard]] std::vector<std::size_t> lengths() const {
        std::vector<std::size_t> lengths;
        for (const auto& train : outbox.trains()) lengths.push_back(train.datagrams());
        return lengths;
    }
};

using Lengths = std::vector<std::size_t>;

}  // namespace

TEST_CASE("datagrams of one size make one train, and a shorter one ends it") {
    Box box;
    for (const std::size_t size : {100U, 100U, 100U, 60U, 60U, 100U, 100U}) box.append(size);
    CHECK(box.lengths() == Lengths{4, 1, 2});
    CHECK(box.outbox.trains()[0].packet.size() == 360);
}

TEST_CASE("a train ends at sixty-four datagrams and at what one UDP datagram may hold") {
    Box small;
    for (int i = 0; i < 130; ++i) small.append(20);
    CHECK(small.lengths() == Lengths{64, 64, 2});
    Box large;
    for (int i = 0; i < 50; ++i) large.append(1472);
    CHECK(large.lengths() == Lengths{44, 6});
}

TEST_CASE("a train has one destination, and one source port") {
    Box box;
    box.append(100);
    box.append(100, elsewhere);
    box.append(100);
    CHECK(box.lengths() == Lengths{1, 1, 1});
    Destination flow = there;
    flow.channel = Channel::vxlan;
    Box plain;
    for (const std::uint32_t hash : {3U, 3U, 19U, 4U}) {
        flow.flow_hash = hash;
        plain.append(100, flow);
    }
    CHECK(plain.lengths() == Lengths{3, 1});
}

TEST_CASE("two peers that take turns have a train each") {
    Box box;
    Outbox::Place other;
    for (int i = 0; i < 5; ++i) {
        box.append(100);
        CHECK_FALSE(box.outbox.append(box.pool, other, elsewhere, 100).empty());
    }
    CHECK(box.lengths() == Lengths{5, 5});
}

TEST_CASE("what was sent grows no more") {
    Box box;
    box.append(100);
    box.outbox.clear();
    CHECK(box.pool.available() == box.pool.size());
    box.append(100);
    CHECK(box.lengths() == Lengths{1});
}

TEST_CASE("with an empty pool a train may still grow, but none can begin") {
    Box box;
    box.append(100);
    std::vector<Packet> taken;
    while (Packet packet = box.pool.take()) taken.push_back(std::move(packet));
    box.append(100);
    CHECK(box.outbox.append(box.pool, box.place, there, 200).empty());
    CHECK(box.lengths() == Lengths{2});
}

TEST_CASE("a train comes apart into what it was made of") {
    const test::Bytes train(250);
    std::vector<std::size_t> sizes;
    each_datagram(std::span{train}, 100,
                  [&](std::span<const std::uint8_t> part) { sizes.push_back(part.size()); });
    CHECK(sizes == Lengths{100, 100, 50});
    sizes.clear();
    each_datagram(std::span{train}.first(0), 0,
                  [&](std::span<const std::uint8_t> part) { sizes.push_back(part.size()); });
    CHECK(sizes == Lengths{0});
}
