// Cutting and making whole: every size and room, every order, and what an attacker with keys could send.
#include "overlay/fragment.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "overlay/reassembler.h"

using namespace weft;
using namespace std::chrono_literals;

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr PeerId peer{3};
constexpr Spi spi{0x1000};
constexpr Instant start{1000s};

Bytes numbered(std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
    return bytes;
}

Bytes fragment(std::uint32_t id, std::size_t offset, bool more, std::span<const std::uint8_t> piece,
               std::uint8_t next_header = ip_protocol::udp) {
    const Ipv6FragmentHeader header{.next_header = next_header,
                                    .offset_flags = static_cast<std::uint16_t>(offset | (more ? 1U : 0U)),
                                    .identification = id};
    Bytes bytes(sizeof(header) + piece.size());
    std::memcpy(bytes.data(), &header, sizeof(header));
    std::ranges::copy(piece, bytes.begin() + sizeof(header));
    return bytes;
}

std::vector<Bytes> cut(std::uint32_t id, const Bytes& whole, std::size_t room) {
    const auto plan = FragmentPlan::make(whole.size(), room);
    std::vector<Bytes> pieces;
    for (std::size_t i = 0; i < plan.count(); ++i) {
        pieces.push_back(fragment(id, i * plan.piece, i + 1 < plan.count(),
                                  std::span{whole}.subspan(i * plan.piece, plan.size(i))));
    }
    return pieces;
}

struct Fixture {
    PacketPool pool{256};
    Reassembler reassembler;

    Reassembler::Added add(const Bytes& bytes, PeerId from = peer, Spi in = spi, Instant now = start) {
        return reassembler.add(from, in, pool.take(bytes), now);
    }

    [[nodiscard]] std::size_t held() const { return pool.size() - pool.available(); }
};

bool equal(const Packet& packet, const Bytes& bytes) {
    return std::ranges::equal(packet.bytes(), bytes);
}

}  // namespace

TEST_CASE("pieces fit the room, are multiples of 8 but for the last, about equal, and make up the whole") {
    for (std::size_t room = 0; room <= 1500; room += 7) {
        for (const std::size_t total : {1U, 8U, 100U, 1400U, 1518U, 9018U, 65528U, 65529U}) {
            const auto plan = FragmentPlan::make(total, room);
            CAPTURE(room);
            CAPTURE(total);
            if (plan.piece == 0) {
                CHECK((total > max_fragmented || room < 16 + 8 + 8 + 21));
                continue;
            }
            std::size_t sum = 0;
            for (std::size_t i = 0; i < plan.count(); ++i) {
                sum += plan.size(i);
                CHECK(Esp::sealed_size(fragment_header_size + plan.size(i)) <= room);
                if (i + 1 < plan.count()) CHECK(plan.size(i) % 8 == 0);
            }
            CHECK(sum == total);
            CHECK(plan.size(plan.count() - 1) > 0);
        }
    }
}

TEST_CASE("a packet is whole again in whatever order its pieces come, and nothing is held afterwards") {
    Fixture f;
    std::mt19937 dice{1};
    for (std::uint32_t id = 0; id < 200; ++id) {
        const Bytes whole = numbered(1 + dice() % 9000);
        auto pieces = cut(id, whole, 300 + dice() % 1200);
        std::shuffle(pieces.begin(), pieces.end(), dice);
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            const auto added = f.add(pieces[i]);
            CHECK_FALSE(added.drop);
            REQUIRE(added.whole.has_value() == (i + 1 == pieces.size()));
            if (!added.whole) continue;
            CHECK(equal(added.whole->packet, whole));
            CHECK(added.whole->next_header == ip_protocol::udp);
        }
        CHECK(f.held() == 0);
    }
}

TEST_CASE("packets of several peers and SAs are put together side by side") {
    Fixture f;
    const Bytes a = numbered(2000);
    Bytes b = numbered(2000);
    b[0] ^= 1;
    const auto of_a = cut(5, a, 1200);
    const auto of_b = cut(5, b, 1200);
    for (std::size_t i = 0; i < of_a.size(); ++i) {
        const auto from_a = f.add(of_a[i], PeerId{1}, Spi{1000});
        const auto from_b = f.add(of_b[i], PeerId{2}, Spi{1001});
        if (i + 1 < of_a.size()) continue;
        REQUIRE(from_a.whole);
        REQUIRE(from_b.whole);
        CHECK(equal(from_a.whole->packet, a));
        CHECK(equal(from_b.whole->packet, b));
    }
}

TEST_CASE("pieces that contradict one another condemn the packet, and nothing of it is held") {
    const Bytes data = numbered(64);
    const std::span piece{data};

    struct Case {
        const char* what;
        std::vector<Bytes> fragments;
    };

    const std::vector<Case> cases{
        {"repeated", {fragment(1, 0, true, piece), fragment(1, 0, true, piece)}},
        {"overlapping", {fragment(1, 0, true, piece), fragment(1, 56, true, piece)}},
        {"not a multiple of 8", {fragment(1, 0, true, piece.first(63))}},
        {"empty", {fragment(1, 0, true, piece.first(0))}},
        {"behind the end", {fragment(1, 64, false, piece), fragment(1, 128, true, piece)}},
        {"an end before what is there", {fragment(1, 128, true, piece), fragment(1, 0, false, piece)}},
        {"two ends", {fragment(1, 64, false, piece), fragment(1, 128, false, piece)}},
        {"beyond the largest", {fragment(1, 0xFFF0, true, piece)}},
        {"another next header", {fragment(1, 0, true, piece), fragment(1, 64, true, piece, 4)}},
        {"half a header", {Bytes(7)}},
    };
    for (const auto& [what, fragments] : cases) {
        CAPTURE(what);
        Fixture f;
        for (std::size_t i = 0; i < fragments.size(); ++i) {
            const auto added = f.add(fragments[i]);
            CHECK_FALSE(added.whole);
            CHECK(added.drop.has_value() == (i + 1 == fragments.size()));
            if (added.drop) CHECK(*added.drop == Drop::bad_fragment);
        }
        CHECK(f.held() == 0);
        CHECK(f.reassembler.under_way() == 0);
    }
}

TEST_CASE("what never becomes whole is given up after a second, under its peer's name") {
    Fixture f;
    f.add(fragment(1, 0, true, numbered(64)));
    std::vector<PeerId> late;
    const auto note = [&](PeerId id) { late.push_back(id); };
    f.reassembler.expire(start + 999ms, note);
    CHECK(late.empty());
    f.reassembler.expire(start + 1s, note);
    CHECK(late == std::vector{peer});
    CHECK(f.held() == 0);
}

TEST_CASE(
    "a peer that begins packets without end takes no more than its share, and others still get through") {
    Fixture f;
    for (std::uint32_t id = 0; id < 10'000; ++id) {
        const auto added = f.add(fragment(id, 0, true, numbered(64)), peer, spi, start + id * 1us);
        CHECK(added.displaced.has_value() == (id >= Reassembler::slots_per_peer));
        if (added.displaced) CHECK(*added.displaced == peer);
        CHECK(f.held() <= Reassembler::slots_per_peer);
    }
    const Bytes whole = numbered(2000);
    for (const auto& piece : cut(1, whole, 1200)) {
        const auto added = f.add(piece, PeerId{9}, Spi{77}, start + 1s);
        CHECK_FALSE(added.displaced);
        CHECK_FALSE(added.drop);
    }
    CHECK(f.held() == Reassembler::slots_per_peer);
}

TEST_CASE("many peers together are bounded as well: the oldest packet gives way") {
    Fixture f;
    for (std::uint16_t id = 0; id < 1000; ++id) {
        const auto added =
            f.add(fragment(1, 0, true, numbered(64)), PeerId{id}, Spi{1000U + id}, start + id * 1ms);
        if (id < Reassembler::slots) {
            CHECK_FALSE(added.displaced);
        } else {
            REQUIRE(added.displaced);
            CHECK(added.displaced->value() == id - Reassembler::slots);
        }
    }
    CHECK(f.held() == Reassembler::slots);
}

TEST_CASE("random fragments neither crash nor leak nor make anything that was not sent") {
    Fixture f;
    std::mt19937 dice{7};
    for (int i = 0; i < 100'000; ++i) {
        const std::size_t size = dice() % 40;
        const std::size_t offset = dice() % 16 * 8;
        const auto id = static_cast<std::uint32_t>(dice() % 4);
        const auto from = static_cast<std::uint16_t>(dice() % 3);
        f.add(fragment(id, offset, dice() % 2 == 0, numbered(size)), PeerId{from}, Spi{1000U + from},
              start + i * 1us);
    }
    CHECK(f.held() == f.reassembler.under_way());
}
