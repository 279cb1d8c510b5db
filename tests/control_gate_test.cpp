#include "overlay/control_gate.h"

#include <vector>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace weft;

// NOLINTBEGIN(bugprone-unchecked-optional-access): REQUIRE and the test's course have checked them
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr Instant start{1000s};
const PublicKey own{{1, 2, 3}};

Endpoint address(std::uint32_t n, std::uint16_t port = 4500) {
    return {IpAddress::v4({10, static_cast<std::uint8_t>(n >> 16U), static_cast<std::uint8_t>(n >> 8U),
                           static_cast<std::uint8_t>(n)}),
            port};
}

CookieSecret secret(std::uint8_t seed) {
    CookieSecret made;
    made.writable()[0] = seed;
    return made;
}

ControlBuilder::Finished initiation(const Cookie* cookie = nullptr, const PublicKey& to = own) {
    return ControlBuilder::initiation(7, 115).finish(mac1_key(to), cookie);
}

Bytes response(const Cookie* cookie = nullptr) {
    return ControlBuilder::response(7, 8, 54).finish(mac1_key(own), cookie).datagram;
}

struct Fixture {
    Fixture() {
        gate.open(own);
        gate.renew(secret(1));
    }

    // Takes what passes without a cookie.
    void flood() {
        for (std::uint32_t i = 0; i < ControlLimits::initiations; ++i)
            CHECK_FALSE(gate.refuse(initiation().datagram, address(i), now));
    }

    // What an honest sender makes of the answer to its first message.
    Cookie get_cookie(const Endpoint& from) {
        const auto first = initiation();
        REQUIRE(gate.refuse(first.datagram, from, now) == Drop::cookie_demanded);
        const auto reply = CookieReply::parse(gate.reply());
        REQUIRE(reply);
        CHECK(reply->receiver == 7);
        auto cookie = reply->open(cookie_key(own), first.mac1);
        REQUIRE(cookie);
        return *cookie;
    }

    ControlGate gate;
    Instant now = start;
};

}  // namespace

TEST_CASE("what is malformed or under another's mac1 never passes") {
    Fixture f;
    CHECK(f.gate.refuse(Bytes(4, 0), address(1), f.now) == Drop::bad_control);
    CHECK(f.gate.refuse(Bytes(600, 0), address(1), f.now) == Drop::bad_control);
    CHECK(f.gate.refuse(initiation(nullptr, PublicKey{{9}}).datagram, address(1), f.now) ==
          Drop::bad_control);
    auto changed = initiation().datagram;
    changed[20] ^= 1U;
    CHECK(f.gate.refuse(changed, address(1), f.now) == Drop::bad_control);
    CHECK_FALSE(f.gate.refuse(initiation().datagram, address(1), f.now));
}

TEST_CASE("a flood with a wrong mac1 uses up nobody's tokens") {
    Fixture f;
    for (int i = 0; i < 10000; ++i)
        (void)f.gate.refuse(initiation(nullptr, PublicKey{{9}}).datagram, address(1), f.now);
    CHECK_FALSE(f.gate.refuse(initiation().datagram, address(1), f.now));
}

TEST_CASE("until the gate knows whose it is nothing passes, and without a secret no cookie is given") {
    ControlGate gate;
    CHECK(gate.refuse(initiation().datagram, address(1), start) == Drop::bad_control);
    gate.open(own);
    for (std::uint32_t i = 0; i < ControlLimits::initiations; ++i)
        CHECK_FALSE(gate.refuse(initiation().datagram, address(i), start));
    CHECK(gate.refuse(initiation().datagram, address(1), start) == Drop::cookie_demanded);
    CHECK(gate.reply().empty());
}

TEST_CASE("under load a cookie is demanded, and whoever proves it gets in") {
    Fixture f;
    f.flood();
    const auto cookie = f.get_cookie(address(77));
    CHECK_FALSE(f.gate.refuse(initiation(&cookie).datagram, address(77), f.now));
    CHECK_FALSE(f.gate.refuse(initiation(&cookie).datagram, address(77), f.now));
}

TEST_CASE("a cookie is good for the address and the port that it was given to, and for nobody else") {
    Fixture f;
    f.flood();
    const auto cookie = f.get_cookie(address(77));
    CHECK(f.gate.refuse(initiation(&cookie).datagram, address(78), f.now) == Drop::cookie_demanded);
    CHECK(f.gate.refuse(initiation(&cookie).datagram, address(77, 4501), f.now) == Drop::cookie_demanded);
    auto changed = initiation(&cookie).datagram;
    changed.back() ^= 1U;
    CHECK(f.gate.refuse(changed, address(77), f.now) == Drop::cookie_demanded);
}

TEST_CASE("a cookie outlives one change of the secret, and not two") {
    Fixture f;
    f.flood();
    const auto cookie = f.get_cookie(address(77));
    f.gate.renew(secret(2));
    CHECK_FALSE(f.gate.refuse(initiation(&cookie).datagram, address(77), f.now));
    f.gate.renew(secret(3));
    CHECK(f.gate.refuse(initiation(&cookie).datagram, address(77), f.now) == Drop::cookie_demanded);
}

TEST_CASE("no two cookie replies have the same nonce") {
    Fixture f;
    f.flood();
    std::vector<CookieReply::Nonce> seen;
    for (int i = 0; i < 100; ++i) {
        if (i == 50) f.gate.renew(secret(2));
        REQUIRE(f.gate.refuse(initiation().datagram, address(1), f.now) == Drop::cookie_demanded);
        seen.push_back(CookieReply::parse(f.gate.reply())->nonce);
    }
    std::ranges::sort(seen);
    CHECK(std::ranges::adjacent_find(seen) == seen.end());
}

TEST_CASE("an address with a cookie has a rate, which leaves others theirs") {
    Fixture f;
    f.flood();
    const auto cookie = f.get_cookie(address(77));
    std::uint32_t passed = 0;
    for (int i = 0; i < 1000; ++i) {
        const auto refused = f.gate.refuse(initiation(&cookie).datagram, address(77), f.now);
        if (!refused) ++passed;
        CHECK((!refused || refused == Drop::handshake_rate_limited));
    }
    CHECK(passed == ControlLimits::per_address);
    const auto other = f.get_cookie(address(78));
    CHECK_FALSE(f.gate.refuse(initiation(&other).datagram, address(78), f.now));
}

TEST_CASE("an IPv6 attacker has the rate of one address in all of his /64") {
    Fixture f;
    f.flood();
    std::uint32_t passed = 0;
    for (std::uint8_t i = 0; i < 250; ++i) {
        const Endpoint from{IpAddress::v6({0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, i, 0, 0, 0, 0, 0, 0, i}), 4500};
        const auto cookie = f.get_cookie(from);
        if (!f.gate.refuse(initiation(&cookie).datagram, from, f.now)) ++passed;
    }
    CHECK(passed == ControlLimits::per_address);
}

TEST_CASE("more callers than can be answered are answered when they call again") {
    Fixture f;
    f.flood();
    std::uint32_t demanded = 0;
    for (std::uint32_t i = 0; i < 20'000; ++i)
        if (f.gate.refuse(initiation().datagram, address(1000 + i), f.now) == Drop::cookie_demanded)
            ++demanded;
    CHECK(demanded >= ControlLimits::replies);
    CHECK(demanded < ControlLimits::replies + 500);  // who is taken for another
    CHECK(f.gate.refuse(initiation().datagram, address(77), f.now) == Drop::handshake_rate_limited);
    const auto cookie = f.get_cookie(address(77));
    CHECK_FALSE(f.gate.refuse(initiation(&cookie).datagram, address(77), f.now));
}

TEST_CASE("a caller is remembered for as long as it takes to repeat a message, and not for ever") {
    Knocks knocks;
    Instant now = start;
    CHECK_FALSE(knocks.note(1, now));
    CHECK(knocks.note(1, now));
    CHECK_FALSE(knocks.note(2, now));
    for (const auto seconds : {1s, 2s, 3s}) {
        CHECK(knocks.note(1, now + seconds));
    }
    now += 3s;
    CHECK(knocks.note(2, now + Knocks::period));
    CHECK_FALSE(knocks.note(3, now + Knocks::period));
    CHECK_FALSE(knocks.note(1, now + 10 * Knocks::period));
}

TEST_CASE("when the flood is over, nobody is asked for a cookie") {
    Fixture f;
    f.flood();
    CHECK(f.gate.refuse(initiation().datagram, address(1), f.now) == Drop::cookie_demanded);
    f.now += 1s;
    CHECK_FALSE(f.gate.refuse(initiation().datagram, address(1), f.now));
}

TEST_CASE("a flood of first messages does not keep responses and cookies out, nor the other way round") {
    Fixture f;
    f.flood();
    CHECK_FALSE(f.gate.refuse(response(), address(1), f.now));
    CHECK_FALSE(f.gate.refuse(CookieReply{}.serialize(), address(1), f.now));

    for (std::uint32_t i = 0; i < 2 * ControlLimits::cookies; ++i)
        (void)f.gate.refuse(CookieReply{}.serialize(), address(1), f.now);
    CHECK(f.gate.refuse(CookieReply{}.serialize(), address(1), f.now) == Drop::handshake_rate_limited);
    CHECK_FALSE(f.gate.refuse(response(), address(1), f.now));
    for (std::uint32_t i = 0; i < 3 * ControlLimits::responses; ++i)
        (void)f.gate.refuse(response(), address(1), f.now);
    CHECK(f.gate.refuse(response(), address(1), f.now) == Drop::cookie_demanded);
    f.now += 1s;
    CHECK_FALSE(f.gate.refuse(initiation().datagram, address(1), f.now));
}

TEST_CASE("ten thousand honest peers that all call at once are all in within seconds") {
    Fixture f;
    std::vector<std::optional<Cookie>> cookies(10'000);
    std::size_t in = 0;
    std::vector<bool> is_in(cookies.size());
    for (int second = 0; second < 5 && in < cookies.size(); ++second, f.now += 1s) {
        for (std::uint32_t i = 0; i < cookies.size(); ++i) {
            if (is_in[i]) continue;
            for (int attempt = 0; attempt < 2 && !is_in[i]; ++attempt) {
                const auto message = initiation(cookies[i] ? &*cookies[i] : nullptr);
                const auto refused = f.gate.refuse(message.datagram, address(i), f.now);
                if (!refused) {
                    is_in[i] = true;
                    ++in;
                } else if (refused == Drop::cookie_demanded) {
                    cookies[i] = CookieReply::parse(f.gate.reply())->open(cookie_key(own), message.mac1);
                }
            }
        }
    }
    CHECK(in == cookies.size());
}

// NOLINTEND(bugprone-unchecked-optional-access)
