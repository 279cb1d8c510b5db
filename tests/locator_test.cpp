#include "cli/locator.h"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"

using namespace weft;
using namespace std::chrono_literals;
using test::ip;

namespace {

constexpr PeerId b{3};
constexpr Instant start{1000s};
const Endpoint v4_b = Endpoint{ip("192.0.2.2"), 4500};

// The same number again and again: 0 is the shortest interval, 0xFF the longest.
class Constant : public Random {
  public:
    explicit Constant(std::uint8_t value) : value_(value) {}

    void fill(std::span<std::uint8_t> bytes) noexcept override { std::ranges::fill(bytes, value_); }

  private:
    std::uint8_t value_;
};

struct Fixture {
    explicit Fixture(std::string_view underlay = "::", std::uint8_t chance = 0)
        : random(chance), locator(ip(underlay), random) {
        locator.add(b, "b.example", 4500, start);
    }

    // Which hosts are asked for at this moment.
    std::string due(Instant now) {
        std::string hosts;
        for (const auto& question : locator.due(now)) hosts += question.host + ' ';
        return hosts;
    }

    Constant random;
    Locator locator;
};

const std::string asked = "b.example ";
const std::string nobody;

}  // namespace

TEST_CASE("an address is known at once and never asked for") {
    Fixture fixture;
    fixture.locator.remove(b);
    fixture.locator.add(b, "192.0.2.2", 4500, start);
    CHECK(fixture.locator.endpoints(b) == std::vector{v4_b});
    fixture.locator.lost(b, start);
    CHECK_FALSE(fixture.locator.next_deadline());
    CHECK(fixture.due(start + 1h) == nobody);
}

TEST_CASE("a name is asked for at once, and not again before it is answered") {
    Fixture fixture;
    CHECK(fixture.locator.endpoints(b).empty());
    CHECK(fixture.locator.next_deadline() == start);
    CHECK(fixture.due(start) == asked);
    CHECK(fixture.due(start + 1h) == nobody);
    fixture.locator.lost(b, start + 1h);
    CHECK(fixture.due(start + 1h) == nobody);
}

TEST_CASE("a name is asked for again in 5 minutes, more or less, and in 10 s after a failure") {
    for (const auto& [chance, after] : {std::pair{0x00, 240s}, std::pair{0xFF, 360s}}) {
        Fixture fixture{"::", static_cast<std::uint8_t>(chance)};
        CHECK(fixture.due(start) == asked);
        fixture.locator.failed(b, start);
        CHECK(fixture.due(start + 9999ms) == nobody);
        CHECK(fixture.due(start + 10s) == asked);
        CHECK(fixture.locator.answered(b, {v4_b.address}, start + 10s));
        CHECK(fixture.locator.next_deadline() == start + 10s + after);
        CHECK(fixture.due(start + 10s + after) == asked);
    }
}

TEST_CASE("the name of a lost peer is asked for soon, however often one says that it is lost") {
    Fixture fixture;
    CHECK(fixture.due(start) == asked);
    fixture.locator.answered(b, {v4_b.address}, start);
    for (int i = 0; i < 10; ++i) fixture.locator.lost(b, start + 3s);
    CHECK(fixture.due(start + 9s) == nobody);
    CHECK(fixture.due(start + 10s) == asked);
    fixture.locator.answered(b, {v4_b.address}, start + 10s);
    fixture.locator.lost(b, start + 60s);
    CHECK(fixture.due(start + 60s) == asked);
}

TEST_CASE("the answer is a change if it has other addresses, not another order") {
    Fixture fixture;
    const std::vector both{ip("192.0.2.2"), ip("2001:db8::2")};
    CHECK(fixture.locator.answered(b, both, start));
    CHECK_FALSE(fixture.locator.answered(b, {both[1], both[0]}, start));
    CHECK_FALSE(fixture.locator.answered(b, {both[0], both[1], both[0]}, start));
    CHECK(fixture.locator.endpoints(b) == std::vector<Endpoint>{{both[0], 4500}, {both[1], 4500}});
    CHECK(fixture.locator.answered(b, {both[0]}, start));
    CHECK(fixture.locator.answered(b, {ip("192.0.2.3")}, start));
    CHECK(fixture.locator.endpoints(b) == std::vector<Endpoint>{{ip("192.0.2.3"), 4500}});
}

TEST_CASE("an empty or failed answer leaves what was known") {
    Fixture fixture;
    fixture.locator.answered(b, {v4_b.address}, start);
    CHECK_FALSE(fixture.locator.answered(b, {}, start));
    fixture.locator.failed(b, start);
    CHECK(fixture.locator.endpoints(b) == std::vector{v4_b});
}

TEST_CASE("only families count that the underlay speaks") {
    const std::vector both{ip("192.0.2.2"), ip("2001:db8::2")};
    const auto known = [&](std::string_view underlay) {
        Fixture fixture{underlay};
        fixture.locator.answered(b, both, start);
        std::string list;
        for (const Endpoint& endpoint : fixture.locator.endpoints(b))
            list += endpoint.address.to_string() + ' ';
        return list;
    };
    CHECK(known("0.0.0.0") == "192.0.2.2 ");
    CHECK(known("198.51.100.1") == "192.0.2.2 ");
    CHECK(known("2001:db8::1") == "2001:db8::2 ");
    CHECK(known("::") == "192.0.2.2 2001:db8::2 ");
}

TEST_CASE("however many addresses a name has, a bounded number counts") {
    Fixture fixture;
    std::vector<IpAddress> many;
    for (std::uint8_t i = 0; i < 100; ++i) many.push_back(IpAddress::v4({192, 0, 2, i}));
    CHECK(fixture.locator.answered(b, many, start));
    CHECK(fixture.locator.endpoints(b).size() == Locator::max_addresses);
}

TEST_CASE("a peer that is removed is asked for no more, and its late answer goes nowhere") {
    Fixture fixture;
    fixture.locator.remove(b);
    CHECK_FALSE(fixture.locator.next_deadline());
    CHECK(fixture.due(start + 1h) == nobody);
    CHECK_FALSE(fixture.locator.answered(b, {v4_b.address}, start));
    fixture.locator.failed(b, start);
    fixture.locator.lost(b, start);
    CHECK_FALSE(fixture.locator.next_deadline());
    CHECK(fixture.locator.endpoints(b).empty());
}
