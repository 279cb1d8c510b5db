#include "overlay/cookie.h"

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

using namespace weft;

// NOLINTBEGIN(bugprone-unchecked-optional-access): REQUIRE and the test's course have checked them
namespace {

const Endpoint sender{IpAddress::v4({192, 0, 2, 1}), 4500};
const PublicKey giver{{1, 2, 3}};
constexpr CookieReply::Nonce nonce{9, 8, 7};
constexpr Mac mac1{5, 5, 5};

CookieSecret secret(std::uint8_t seed) {
    CookieSecret made;
    made.writable()[0] = seed;
    return made;
}

CookieReply a_reply() {
    return CookieReply::make(cookie_key(giver), nonce, 0x01020304, mac1, cookie_for(secret(1), sender));
}

}  // namespace

TEST_CASE("a cookie is of one secret, one address and one port") {
    const auto cookie = cookie_for(secret(1), sender);
    CHECK(cookie == cookie_for(secret(1), sender));
    CHECK(cookie != cookie_for(secret(2), sender));
    CHECK(cookie != cookie_for(secret(1), {sender.address, 4501}));
    CHECK(cookie != cookie_for(secret(1), {IpAddress::v4({192, 0, 2, 2}), 4500}));
    // The IPv6 address that has the IPv4 one's bytes and zeros behind them.
    CHECK(cookie != cookie_for(secret(1), {IpAddress::v6({192, 0, 2, 1}), 4500}));
}

TEST_CASE("a reply gives its cookie to who knows the message that it answers") {
    const auto reply = a_reply();
    const auto parsed = CookieReply::parse(reply.serialize());
    REQUIRE(parsed);
    CHECK(parsed->receiver == 0x01020304);
    const auto opened = parsed->open(cookie_key(giver), mac1);
    REQUIRE(opened);
    CHECK(*opened == cookie_for(secret(1), sender));

    CHECK_FALSE(parsed->open(cookie_key(giver), Mac{5, 5, 4}));
    CHECK_FALSE(parsed->open(cookie_key(PublicKey{{1, 2, 4}}), mac1));
}

TEST_CASE("a reply does not show its cookie, and no two replies are alike") {
    const auto cookie = cookie_for(secret(1), sender);
    const auto key = cookie_key(giver);
    const auto reply = a_reply();
    const auto other_nonce = CookieReply::make(key, {9, 8, 8}, 0x01020304, mac1, cookie);
    const auto other_message = CookieReply::make(key, nonce, 0x01020304, Mac{1}, cookie);
    CHECK_FALSE(reply.sealed == cookie.bytes);
    CHECK(reply.sealed != other_nonce.sealed);
    CHECK(reply.sealed != other_message.sealed);
    CHECK(reply.tag != other_nonce.tag);
}

TEST_CASE("no truncation, no excess and no changed byte of a reply is believed, but for its receiver") {
    const auto bytes = a_reply().serialize();
    std::vector<std::uint8_t> datagram(bytes.begin(), bytes.end());
    for (std::size_t size = 0; size < datagram.size(); ++size)
        CHECK_FALSE(CookieReply::parse(ByteView{datagram}.first(size)));
    for (std::size_t i = 0; i < datagram.size(); ++i) {
        if (i >= 8 && i < 12) continue;  // names the message; its mac1 must fit as well
        datagram[i] ^= 0x40U;
        const auto parsed = CookieReply::parse(datagram);
        CHECK_FALSE((parsed && parsed->open(cookie_key(giver), mac1)));
        datagram[i] ^= 0x40U;
    }
    datagram.push_back(0);
    CHECK_FALSE(CookieReply::parse(datagram));
}

TEST_CASE("the proof of a cookie depends on the cookie and on the message") {
    const std::vector<std::uint8_t> message(150, 3);
    const auto proof = cookie_mac(cookie_for(secret(1), sender), message);
    CHECK(proof == cookie_mac(cookie_for(secret(1), sender), message));
    CHECK(proof != cookie_mac(cookie_for(secret(2), sender), message));
    CHECK(proof != cookie_mac(cookie_for(secret(1), sender), ByteView{message}.first(149)));
}

// NOLINTEND(bugprone-unchecked-optional-access)
