#include "tests/support/seal_watch.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "crypto/esp.h"
#include "tests/support/seeded_random.h"
#include "tests/support/single_node.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr PortId tunnel{1000};
constexpr Instant start{std::chrono::seconds{1000}};

Bytes packet_of(std::uint32_t spi, std::uint64_t sequence) {
    OutboundSa sa{sa_keys(spi), sequence};
    Bytes packet(Esp::sealed_size(0));
    REQUIRE(Esp::seal(sa, packet, 0, 59));
    return packet;
}

}  // namespace

TEST_CASE("a set of numbers knows each of them, in whatever order they come") {
    SeededRandom random(1);
    NumberSet clever;
    std::set<std::uint64_t> stupid;
    for (int i = 0; i < 5000; ++i) {
        const std::uint64_t number = random.below(3000);
        CHECK(clever.insert(number) == stupid.insert(number).second);
    }
    for (std::uint64_t number = 0; number < 3000; ++number) {
        CHECK(clever.insert(number) == stupid.insert(number).second);
    }
    CHECK(clever.intervals() == 1);
}

TEST_CASE("a nonce that comes twice under its key is seen, also in disorder and after the key came again") {
    SealWatch watch;
    watch.installed(1, tunnel, sa_keys(300), start);
    for (const std::uint64_t sequence : {1, 2, 5, 3})
        watch.sealed(1, tunnel, packet_of(300, sequence), start);
    CHECK(watch.nonce_reuses() == 0);
    watch.sealed(1, tunnel, packet_of(300, 5), start);
    CHECK(watch.nonce_reuses() == 1);
    watch.installed(1, tunnel, sa_keys(300), start);
    CHECK(watch.repeated_keys() == 1);
    watch.sealed(1, tunnel, packet_of(300, 2), start);
    CHECK(watch.nonce_reuses() == 2);
    CHECK(watch.strange_keys() == 0);
}

TEST_CASE("the same number under another key, from another node or for another peer is no reuse") {
    SealWatch watch;
    for (const std::uint32_t spi : {300U, 301U}) watch.sealed(1, tunnel, packet_of(spi, 1), start);
    watch.sealed(2, tunnel, packet_of(300, 1), start);
    watch.sealed(1, PortId{1001}, packet_of(300, 1), start);
    CHECK(watch.nonce_reuses() == 0);
}

TEST_CASE("an old key is told by its age, and when it is forgotten, as a strange one") {
    SealWatch watch;
    watch.installed(1, tunnel, sa_keys(300), start);
    watch.sealed(1, tunnel, packet_of(300, 1), start + 179s);
    CHECK(watch.oldest_use() == 179s);
    watch.installed(1, tunnel, sa_keys(301), start + 500s);
    CHECK(watch.remembered() == 1);
    CHECK(watch.strange_keys() == 0);
    watch.sealed(1, tunnel, packet_of(300, 2), start + 500s);
    CHECK(watch.strange_keys() == 1);
}
