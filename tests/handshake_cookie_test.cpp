// Two Handshakers and the cookies between them; the gates that give them are control_gate_test's.
#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include "crypto/x25519.h"
#include "overlay/control_gate.h"
#include "overlay/handshake.h"
#include "tests/support/seeded_random.h"

using namespace std::chrono_literals;
using namespace weft;

// NOLINTBEGIN(bugprone-unchecked-optional-access): REQUIRE and the test's course have checked them
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr PeerId peer{0};

struct Side {
    explicit Side(std::uint64_t seed, std::uint8_t n)
        : random(seed), at{IpAddress::v4({192, 0, 2, n}), 4500} {
        random.fill(key.writable());
        public_key = X25519{key}.public_key();
        handshaker = std::make_unique<Handshaker>(key, random);
    }

    test::SeededRandom random;
    PrivateKey key;
    PublicKey public_key;
    Endpoint at;
    std::unique_ptr<Handshaker> handshaker;
};

struct Pair {
    Pair() {
        a.handshaker->add_peer(peer, {.public_key = b.public_key, .preshared_key = {}, .endpoint = b.at});
        b.handshaker->add_peer(peer, {.public_key = a.public_key, .preshared_key = {}, .endpoint = a.at});
    }

    [[nodiscard]] Handshaker::WallTime wall() const {
        return Handshaker::WallTime{1'800'000'000s} +
               std::chrono::duration_cast<Handshaker::WallTime::duration>(now.time_since_epoch());
    }

    // What a side sends since it was last asked.
    static std::vector<Bytes> sent(Side& side) {
        std::vector<Bytes> datagrams;
        for (auto& action : side.handshaker->take_actions())
            if (auto* send = std::get_if<Handshaker::Send>(&action))
                datagrams.push_back(std::move(send->datagram));
        return datagrams;
    }

    std::optional<Drop> deliver(Side& to, const Side& from, ByteView datagram) {
        return to.handshaker->receive(datagram, from.at, now, wall());
    }

    Bytes initiate(Side& side) {
        side.handshaker->initiate(peer, now, wall());
        auto datagrams = sent(side);
        REQUIRE(datagrams.size() == 1);
        return datagrams[0];
    }

    static bool has_mac2(const Bytes& datagram) { return ControlFrame::parse(datagram)->has_mac2(); }

    // The reply of `giver`, to the message of `getter`.
    CookieReply::Bytes reply_to(const Bytes& message, const Side& giver, const Side& getter) {
        const auto frame = ControlFrame::parse(message);
        CookieReply::Nonce nonce{};
        ++nonces;
        std::memcpy(nonce.data(), &nonces, sizeof nonces);
        return CookieReply::make(cookie_key(giver.public_key), nonce, frame->sender, frame->mac1,
                                 cookie_for(secret, getter.at))
            .serialize();
    }

    bool is_proved(const Bytes& message, const Side& sender) {
        return ControlFrame::parse(message)->proves(cookie_for(secret, sender.at));
    }

    Side a{1, 1};
    Side b{2, 2};
    CookieSecret secret;
    std::uint64_t nonces = 0;
    Instant now{1000s};
};

}  // namespace

TEST_CASE("an initiation that is answered with a cookie is followed at once by one that proves it") {
    Pair pair;
    const auto first = pair.initiate(pair.a);
    CHECK_FALSE(Pair::has_mac2(first));
    const auto retry_at = pair.a.handshaker->next_deadline();
    CHECK_FALSE(pair.deliver(pair.a, pair.b, pair.reply_to(first, pair.b, pair.a)));
    const auto retried = Pair::sent(pair.a);
    REQUIRE(retried.size() == 1);
    CHECK(pair.is_proved(retried[0], pair.a));
    CHECK(pair.a.handshaker->next_deadline() == retry_at);

    CHECK_FALSE(pair.deliver(pair.b, pair.a, retried[0]));
    const auto response = Pair::sent(pair.b);
    REQUIRE(response.size() == 1);
    CHECK_FALSE(pair.deliver(pair.a, pair.b, response[0]));
    CHECK(pair.a.handshaker->status(peer).completed == 1);
}

TEST_CASE("one cookie makes one retry; later messages prove it while it lives") {
    Pair pair;
    const auto first = pair.initiate(pair.a);
    const auto reply = pair.reply_to(first, pair.b, pair.a);
    CHECK_FALSE(pair.deliver(pair.a, pair.b, reply));
    const auto retried = Pair::sent(pair.a);
    REQUIRE(retried.size() == 1);
    CHECK(pair.deliver(pair.a, pair.b, reply) == Drop::handshake_failed);  // of a message that is void now
    CHECK_FALSE(pair.deliver(pair.a, pair.b, pair.reply_to(retried[0], pair.b, pair.a)));
    CHECK(Pair::sent(pair.a).empty());

    while (pair.now < Instant{1000s} + 89s) {
        pair.now = *pair.a.handshaker->next_deadline();
        pair.a.handshaker->tick(pair.now, pair.wall());
        for (const auto& repeated : Pair::sent(pair.a)) CHECK(pair.is_proved(repeated, pair.a));
    }
    pair.now += cookie_lifetime;
    pair.a.handshaker->tick(pair.now, pair.wall());  // gives up
    CHECK_FALSE(Pair::has_mac2(pair.initiate(pair.a)));
}

TEST_CASE("a cookie reply that is forged, or another's, changes nothing") {
    Pair pair;
    const Side stranger{3, 3};
    const auto first = pair.initiate(pair.a);
    const auto reply = pair.reply_to(first, pair.b, pair.a);
    for (std::size_t i = 0; i < reply.size(); ++i) {
        auto forged = reply;
        forged[i] ^= 0x20U;
        CHECK(pair.deliver(pair.a, pair.b, forged));
    }
    CHECK(pair.deliver(pair.a, pair.b, pair.reply_to(first, stranger, pair.a)) == Drop::handshake_failed);
    // Who has not seen the message does not know its mac1.
    auto unseen = first;
    unseen[unseen.size() - 20] ^= 1U;
    CHECK(pair.deliver(pair.a, pair.b, pair.reply_to(unseen, pair.b, pair.a)) == Drop::handshake_failed);
    CHECK(Pair::sent(pair.a).empty());
    pair.now = *pair.a.handshaker->next_deadline();
    pair.a.handshaker->tick(pair.now, pair.wall());
    CHECK_FALSE(Pair::has_mac2(Pair::sent(pair.a).at(0)));
}

TEST_CASE(
    "a response that is answered with a cookie is repeated, with its proof, when the peer calls again") {
    Pair pair;
    CHECK_FALSE(pair.deliver(pair.b, pair.a, pair.initiate(pair.a)));
    const auto response = Pair::sent(pair.b);
    REQUIRE(response.size() == 1);
    CHECK_FALSE(Pair::has_mac2(response[0]));
    CHECK_FALSE(pair.deliver(pair.b, pair.a, pair.reply_to(response[0], pair.a, pair.b)));
    CHECK(Pair::sent(pair.b).empty());

    pair.now = *pair.a.handshaker->next_deadline();
    pair.a.handshaker->tick(pair.now, pair.wall());
    CHECK_FALSE(pair.deliver(pair.b, pair.a, Pair::sent(pair.a).at(0)));
    const auto proved = Pair::sent(pair.b);
    REQUIRE(proved.size() == 1);
    CHECK(pair.is_proved(proved[0], pair.b));
    CHECK_FALSE(pair.deliver(pair.a, pair.b, proved[0]));
}

TEST_CASE("a response to an index that only names a response is refused") {
    Pair pair;
    CHECK_FALSE(pair.deliver(pair.b, pair.a, pair.initiate(pair.a)));
    auto response = Pair::sent(pair.b).at(0);
    const auto index = ControlFrame::parse(response)->sender;
    const auto forged = ControlBuilder::response(1, index, 54).finish(mac1_key(pair.b.public_key), nullptr);
    CHECK(pair.deliver(pair.b, pair.a, forged.datagram) == Drop::handshake_failed);
}

TEST_CASE("with a gate under load before the responder a handshake takes two round trips") {
    Pair pair;
    ControlGate gate;
    gate.open(pair.b.public_key);
    gate.renew(CookieSecret{});
    const auto junk =
        ControlBuilder::initiation(1, 115).finish(mac1_key(pair.b.public_key), nullptr).datagram;
    while (!gate.refuse(junk, pair.a.at, pair.now)) {
    }
    const auto first = pair.initiate(pair.a);
    REQUIRE(gate.refuse(first, pair.a.at, pair.now) == Drop::cookie_demanded);
    CHECK_FALSE(pair.deliver(pair.a, pair.b, gate.reply()));
    const auto second = Pair::sent(pair.a).at(0);
    CHECK_FALSE(gate.refuse(second, pair.a.at, pair.now));
    CHECK_FALSE(pair.deliver(pair.b, pair.a, second));
    CHECK_FALSE(pair.deliver(pair.a, pair.b, Pair::sent(pair.b).at(0)));
    CHECK(pair.a.handshaker->status(peer).completed == 1);
}

// NOLINTEND(bugprone-unchecked-optional-access)
