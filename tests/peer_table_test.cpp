#include "overlay/peer_table.h"

#include <doctest/doctest.h>

#include "tests/support/single_node.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr PeerId a{0};
constexpr PeerId b{3};

const Instant start{1000s};
const Endpoint first_place = Endpoint{ip("192.0.2.1"), 4789};
const Endpoint second_place = Endpoint{ip("192.0.2.2"), 4789};

Peer& add(PeerTable& table, PeerId id, bool encrypted, const std::optional<Endpoint>& endpoint = {}) {
    Peer peer;
    peer.id = id;
    peer.encrypted = encrypted;
    peer.endpoint = endpoint;
    return table.add(std::move(peer));
}

// A session that is found by `spi`.
std::unique_ptr<PeerSession> session(std::uint32_t spi, Instant established = start) {
    auto made = std::make_unique<PeerSession>(PeerSession{
        .id = spi, .outbound = OutboundSa{sa_keys(spi + 1000)}, .inbound = {}, .established = established});
    made->inbound.emplace_back(sa_keys(spi));
    return made;
}

// The id of the session with this SPI; 0: nobody's.
std::uint32_t found(PeerTable& table, std::uint32_t spi) {
    const auto [peer, session, sa] = table.find(Spi{spi});
    CHECK((peer == nullptr) == (session == nullptr));
    CHECK((peer == nullptr) == (sa == nullptr));
    if (sa != nullptr) CHECK(sa->spi() == spi);
    return session == nullptr ? 0 : session->id;
}

}  // namespace

TEST_CASE("peers are found by their ids, and no others are") {
    PeerTable table;
    add(table, b, true);
    CHECK(table.find(b)->id == b);
    CHECK(table.find(a) == nullptr);
    CHECK(table.find(PeerId{4}) == nullptr);
    table.remove(b);
    CHECK(table.find(b) == nullptr);
    table.remove(b);
    table.remove(PeerId{100});
}

TEST_CASE("an initiator's session is current at once, and the one before it lives on for what is under way") {
    PeerTable table;
    Peer& peer = add(table, a, true);
    table.install(peer, session(1), true);
    table.install(peer, session(2), true);
    CHECK(peer.current->id == 2);
    CHECK(peer.previous->id == 1);
    CHECK(found(table, 1) == 1);
    CHECK(found(table, 2) == 2);
    table.install(peer, session(3), true);
    CHECK(found(table, 1) == 0);
    CHECK(found(table, 2) == 2);
    CHECK(found(table, 3) == 3);
}

TEST_CASE("a responder's session is next, until it is promoted") {
    PeerTable table;
    Peer& peer = add(table, a, true);
    table.install(peer, session(1), true);
    table.install(peer, session(2), false);
    CHECK(peer.current->id == 1);
    CHECK(peer.next->id == 2);
    CHECK(found(table, 2) == 2);
    table.install(peer, session(3), false);  // the peer has begun again
    CHECK(found(table, 2) == 0);
    CHECK(found(table, 3) == 3);
    table.promote_next(peer);
    CHECK(peer.current->id == 3);
    CHECK(peer.previous->id == 1);
    CHECK(peer.next == nullptr);
    CHECK(found(table, 1) == 1);
}

TEST_CASE("retiring a peer forgets all of its sessions and none of another's") {
    PeerTable table;
    Peer& peer = add(table, a, true);
    Peer& other = add(table, b, true);
    table.install(other, session(9), true);
    for (const std::uint32_t spi : {1U, 2U}) table.install(peer, session(spi), true);
    table.install(peer, session(3), false);
    table.retire(peer);
    for (const std::uint32_t spi : {1U, 2U, 3U}) CHECK(found(table, spi) == 0);
    CHECK(found(table, 9) == 9);
    CHECK(peer.current == nullptr);
    table.remove(b);
    CHECK(found(table, 9) == 0);
}

TEST_CASE("a session expires when its time is over, whatever it is to its peer") {
    PeerTable table;
    Peer& peer = add(table, a, true);
    table.install(peer, session(1, start), true);
    table.install(peer, session(2, start + 1s), true);
    table.install(peer, session(3, start + 2s), false);
    table.expire(peer, start + 180s - 1ns);
    CHECK(found(table, 1) == 1);
    table.expire(peer, start + 180s);
    CHECK(found(table, 1) == 0);
    CHECK(found(table, 2) == 2);
    table.expire(peer, start + 182s);
    CHECK(found(table, 2) == 0);
    CHECK(found(table, 3) == 0);
}

TEST_CASE("a superseded session seals no more, and opens until it has drained") {
    for (const bool initiator : {true, false}) {
        CAPTURE(initiator);
        PeerTable table;
        Peer& peer = add(table, a, true);
        table.install(peer, session(1), true);
        REQUIRE_FALSE(peer.current->outbound.exhausted());
        table.install(peer, session(2), initiator);
        if (!initiator) {
            CHECK_FALSE(peer.current->outbound.exhausted());
            table.promote_next(peer);
        }
        CHECK(peer.previous->outbound.exhausted());
        CHECK_FALSE(peer.current->outbound.exhausted());
        table.expire(peer, start + 100s);
        CHECK(found(table, 1) == 1);
        peer.previous->drain(start + 100s);
        table.expire(peer, start + 105s - 1ns);
        CHECK(found(table, 1) == 1);
        table.expire(peer, start + 105s);
        CHECK(found(table, 1) == 0);
        CHECK(peer.previous == nullptr);
        CHECK(found(table, 2) == 2);
    }
}

TEST_CASE("draining makes no session live longer") {
    auto drained = session(1, start);
    drained->drain(start + 178s);
    CHECK(drained->alive(start + 180s - 1ns));
    CHECK_FALSE(drained->alive(start + 180s));
}

TEST_CASE("a session with the SPI of an older one is not forgotten with that") {
    PeerTable table;
    Peer& peer = add(table, a, true);
    for (int i = 0; i < 4; ++i) {
        table.install(peer, session(7), true);
        CHECK(found(table, 7) == 7);
        CHECK(table.find(Spi{7}).session == peer.current.get());
    }
}

TEST_CASE("a plain peer is found by its address, which it may change") {
    PeerTable table;
    Peer& peer = add(table, a, false, first_place);
    CHECK(table.find_plain(first_place.address) == &peer);
    CHECK(table.find_plain(second_place.address) == nullptr);
    table.set_endpoint(peer, second_place);
    CHECK(table.find_plain(first_place.address) == nullptr);
    CHECK(table.find_plain(second_place.address) == &peer);
    table.remove(a);
    CHECK(table.find_plain(second_place.address) == nullptr);
}

TEST_CASE("an encrypted peer is never found by its address") {
    PeerTable table;
    Peer& peer = add(table, a, true, first_place);
    CHECK(table.find_plain(first_place.address) == nullptr);
    table.set_endpoint(peer, second_place);
    CHECK(peer.endpoint == second_place);
    CHECK(table.find_plain(second_place.address) == nullptr);
}

TEST_CASE("two plain peers may change places, one after the other") {
    PeerTable table;
    Peer& one = add(table, a, false, first_place);
    Peer& two = add(table, b, false, second_place);
    table.set_endpoint(one, second_place);
    table.set_endpoint(two, first_place);
    CHECK(table.find_plain(second_place.address) == &one);
    CHECK(table.find_plain(first_place.address) == &two);
}

TEST_CASE("a source belongs to the peer with the longest prefix, and to no other") {
    PeerTable table;
    Peer& one = add(table, a, true);
    Peer& two = add(table, b, true);
    table.allow_source(prefix("10.0.0.0/8"), a);
    table.allow_source(prefix("10.1.0.0/16"), b);
    table.allow_source(prefix("2001:db8::/32"), b);

    struct Case {
        const char* source;
        bool one;
        bool two;
    };

    const auto check = [&](std::initializer_list<Case> cases) {
        for (const auto& [source, first, second] : cases) {
            CAPTURE(source);
            CHECK(table.may_send_from(one, ip(source)) == first);
            CHECK(table.may_send_from(two, ip(source)) == second);
        }
    };
    check({{"10.2.0.1", true, false},
           {"10.1.0.1", false, true},
           {"11.0.0.1", false, false},
           {"2001:db8::1", false, true},
           {"2001:db9::1", false, false}});
    CHECK_FALSE(table.forbid_source(prefix("10.1.0.0/16"), a));
    CHECK(table.forbid_source(prefix("10.1.0.0/16"), b));
    check({{"10.1.0.1", true, false}});
    table.remove(b);
    CHECK_FALSE(table.may_send_from(one, ip("2001:db8::1")));
    CHECK(table.may_send_from(one, ip("10.1.0.1")));
}
