#include "cli/peer_watch.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace weft;
using namespace std::chrono_literals;

namespace {

constexpr PeerId site_b{3};

Endpoint at(std::uint16_t port) {
    return {.address = IpAddress::v4({192, 0, 2, 2}), .port = port};
}

// One peer that is watched, and what was told of it: "peer_up", "endpoint_moved 192.0.2.2:1 192.0.2.2:2".
struct Fixture {
    Fixture() { watch.add(site_b, "site-b"); }

    void agree(const Endpoint& endpoint = at(1), bool moves = true) {
        watch.agreed(site_b, Cipher::aes_128_gcm, endpoint, moves, now);
    }

    void report(const PeerActivity& activity) { watch.reported(site_b, activity, now); }

    void move(std::uint16_t port) { watch.moved(site_b, at(port), now); }

    void pass(Duration time) {
        now += time;
        watch.tick(now);
    }

    // Since the last call.
    std::vector<std::string> told() { return std::exchange(told_, {}); }

    void publish(const NodeEvent& what) {
        const auto event = report_event(what, {});
        CHECK(event.at("peer") == "site-b");
        auto text = event.at("event").get<std::string>();
        for (const auto* key : {"reason", "from", "to", "endpoint", "handshakes", "from_bytes", "to_bytes"}) {
            if (!event.contains(key)) continue;
            const auto& value = event[key];
            text += ' ' + (value.is_string() ? value.get<std::string>() : value.dump());
        }
        told_.push_back(std::move(text));
    }

    using Told = std::vector<std::string>;
    Told told_;
    Instant now{1000s};
    PeerWatch watch{[this](const NodeEvent& what) { publish(what); }};
};

using Told = Fixture::Told;

}  // namespace

TEST_CASE("a peer is up with its first session, and further ones renew it") {
    Fixture fixture;
    CHECK_FALSE(fixture.watch.up(site_b));
    fixture.agree();
    CHECK(fixture.watch.up(site_b));
    CHECK(fixture.told() == Told{"peer_up 192.0.2.2:1", "session_renewed 1"});
    fixture.pass(120s);
    fixture.agree();
    CHECK(fixture.told() == Told{"session_renewed 2"});
}

TEST_CASE("a session that nobody renewed ends without a word of death") {
    Fixture fixture;
    fixture.agree();
    fixture.told();
    fixture.watch.ended(site_b);
    CHECK_FALSE(fixture.watch.up(site_b));
    CHECK(fixture.told() == Told{"peer_down session_over"});
}

TEST_CASE("a peer that does not answer is silent at once, heard again if it speaks, and dead when given up") {
    Fixture fixture;
    fixture.agree();
    fixture.told();
    for (int i = 0; i < 5; ++i) fixture.report({.sent = true, .silent = true});
    CHECK(fixture.watch.silent(site_b));
    CHECK(fixture.watch.up(site_b));
    CHECK(fixture.told() == Told{"peer_silent"});
    fixture.report({.heard = true});
    CHECK_FALSE(fixture.watch.silent(site_b));
    CHECK(fixture.told() == Told{"peer_heard"});
    fixture.report({.silent = true});
    fixture.watch.ended(site_b);
    CHECK_FALSE(fixture.watch.silent(site_b));
    CHECK(fixture.told() == Told{"peer_silent", "peer_down no_answer"});
    fixture.report({.silent = true});
    CHECK(fixture.told().empty());
}

TEST_CASE("a silent peer that agrees on new keys is heard again") {
    Fixture fixture;
    fixture.agree();
    fixture.report({.silent = true});
    fixture.told();
    fixture.pass(5s);
    fixture.agree();
    CHECK_FALSE(fixture.watch.silent(site_b));
    CHECK(fixture.told() == Told{"peer_heard", "session_renewed 2"});
}

TEST_CASE("one worker's silence counts only when no other worker hears the peer") {
    Fixture fixture;
    fixture.agree();
    fixture.told();
    fixture.report({.heard = true, .worker = 1});
    fixture.pass(2s);
    fixture.report({.silent = true, .worker = 0});
    CHECK(fixture.told().empty());
    fixture.pass(1s);
    fixture.report({.silent = true, .worker = 0});
    CHECK(fixture.told() == Told{"peer_silent"});
}

TEST_CASE("a handshake in vain with a peer that was never up is told once it is given up") {
    Fixture fixture;
    fixture.report({.silent = true});
    CHECK(fixture.told().empty());
    fixture.watch.ended(site_b);
    CHECK(fixture.told() == Told{"handshake_failed"});
}

TEST_CASE("of many moves within a second the first is told at once, and where they led when it is over") {
    Fixture fixture;
    fixture.agree();
    fixture.told();
    fixture.pass(10s);
    for (std::uint16_t port = 2; port < 100; ++port) fixture.move(port);
    CHECK(fixture.told() == Told{"endpoint_moved 192.0.2.2:1 192.0.2.2:2"});
    REQUIRE(fixture.watch.next_deadline());
    CHECK(*fixture.watch.next_deadline() == fixture.now + PeerWatch::hold);
    fixture.pass(999ms);
    CHECK(fixture.told().empty());
    fixture.pass(1ms);
    CHECK(fixture.told() == Told{"endpoint_moved 192.0.2.2:2 192.0.2.2:99"});
    CHECK_FALSE(fixture.watch.next_deadline());
}

TEST_CASE("a peer that is back where it was within the second has not moved") {
    Fixture fixture;
    fixture.agree();
    fixture.pass(10s);
    fixture.move(2);
    fixture.told();
    fixture.move(3);
    fixture.move(2);
    fixture.pass(1s);
    CHECK(fixture.told().empty());
    CHECK_FALSE(fixture.watch.next_deadline());
}

TEST_CASE("a flood of handshakes is told once a second, with their number") {
    Fixture fixture;
    fixture.agree();
    fixture.told();
    for (int i = 0; i < 40; ++i) {
        fixture.pass(20ms);
        fixture.agree();
    }
    CHECK(fixture.told().empty());
    fixture.pass(200ms);
    CHECK(fixture.told() == Told{"session_renewed 41"});
}

TEST_CASE("a path's new MTU is told once, however many workers measure it") {
    Fixture fixture;
    fixture.agree();
    fixture.told();
    fixture.pass(2s);
    for (int worker = 0; worker < 4; ++worker) fixture.watch.path_measured(site_b, 1400, fixture.now);
    CHECK(fixture.told() == Told{"path_mtu_changed null 1400"});
    for (const std::uint16_t mtu : std::to_array<std::uint16_t>({1280, 1400, 1300}))
        fixture.watch.path_measured(site_b, mtu, fixture.now);
    CHECK(fixture.told().empty());
    fixture.pass(1s);
    CHECK(fixture.told() == Told{"path_mtu_changed 1400 1300"});
}

TEST_CASE("a session from elsewhere is a move as well") {
    Fixture fixture;
    fixture.agree();
    fixture.told();
    fixture.pass(2s);
    fixture.agree(at(7));
    CHECK(fixture.told() == Told{"endpoint_moved 192.0.2.2:1 192.0.2.2:7", "session_renewed 2"});
}

TEST_CASE("who calls from elsewhere has not moved before a packet comes from there") {
    Fixture fixture;
    fixture.agree(at(1), false);
    CHECK(fixture.told() == Told{"peer_up 192.0.2.2:1", "session_renewed 1"});
    fixture.pass(2s);
    fixture.agree(at(7), false);
    CHECK(fixture.told() == Told{"session_renewed 2"});
    fixture.pass(2s);
    fixture.move(7);
    CHECK(fixture.told() == Told{"endpoint_moved 192.0.2.2:1 192.0.2.2:7"});
}

TEST_CASE("a peer that is removed is down, and of what was held back nothing is told") {
    Fixture fixture;
    fixture.agree();
    fixture.move(2);
    fixture.told();
    fixture.watch.remove(site_b);
    CHECK(fixture.told() == Told{"peer_down removed"});
    fixture.pass(2s);
    fixture.agree();
    fixture.move(5);
    fixture.report({.silent = true});
    fixture.watch.ended(site_b);
    CHECK(fixture.told().empty());
    CHECK_FALSE(fixture.watch.next_deadline());
}

TEST_CASE("a peer whose session goes on over a restart is up, and nothing is told of it") {
    Fixture peer;
    peer.watch.resumed(site_b, Cipher::aes_128_gcm, at(1), 7);
    CHECK(peer.watch.up(site_b));
    CHECK(peer.told().empty());
    peer.pass(2s);
    peer.agree();
    CHECK(peer.told() == Told{"session_renewed 8"});
    peer.pass(2s);
    peer.move(2);
    CHECK(peer.told() == Told{"endpoint_moved 192.0.2.2:1 192.0.2.2:2"});
}
