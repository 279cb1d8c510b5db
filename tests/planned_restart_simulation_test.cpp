// Nodes that are restarted as planned, in virtual time: sessions go on, no nonce comes twice, nothing is
// lost.
#include <chrono>

#include <doctest/doctest.h>

#include "overlay/carried_session.h"
#include "tests/support/two_sites.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

std::uint64_t handshakes(Node& node) {
    return node.handshaker().status(PeerId{0}).completed;
}

std::uint64_t replayed(Node& node) {
    return node.drops(node.topology().peers().find(PeerId{0})->port, Drop::replayed);
}

}  // namespace

TEST_CASE(
    "after a planned restart the peer takes what is sealed with the old keys, and no nonce comes twice") {
    TwoSites sites(1);
    sites.datagram(sites.a, sites.b);
    sites.network.run_for(2s);
    const auto before = handshakes(sites.b);
    for (int i = 1; i <= 10; ++i) {
        (i % 2 == 0 ? sites.a : sites.b).restart_as_planned();
        sites.datagram(sites.a, sites.b);
        sites.datagram(sites.b, sites.a);
        sites.network.run_for(1s);
        CHECK(sites.datagrams_at_b == 1 + i);
        CHECK(sites.datagrams_at_a == i);
    }
    CHECK(handshakes(sites.a) == before);
    CHECK(handshakes(sites.b) == before);
    CHECK(sites.network.nonce_reuses() == 0);
    CHECK(replayed(sites.a) + replayed(sites.b) == 0);
    CHECK(sites.network.seals().keys() == 2);
}

TEST_CASE("packets on their way during a planned restart arrive") {
    TwoSites sites(2, {.delay = 50ms, .jitter = 20ms});
    sites.datagram(sites.a, sites.b);
    sites.network.run_for(2s);
    for (int i = 0; i < 20; ++i) sites.datagram(sites.b, sites.a);
    sites.network.run_for(60ms);
    CHECK(sites.datagrams_at_a > 0);
    CHECK(sites.datagrams_at_a < 20);
    sites.a.restart_as_planned();
    sites.network.run_for(1s);
    CHECK(sites.datagrams_at_a == 20);
}

TEST_CASE("what was received before a planned restart is a replay after it") {
    TwoSites sites(3);
    Bytes recorded;
    Endpoint from;
    sites.datagram(sites.a, sites.b);
    sites.network.run_for(2s);
    sites.network.on_wire = [&](const Endpoint& sender, const Endpoint& to, Channel channel, Bytes& bytes) {
        if (channel == Channel::esp && to == sites.a.address()) {
            recorded = bytes;
            from = sender;
        }
        return true;
    };
    sites.datagram(sites.b, sites.a);
    sites.network.run_for(100ms);
    sites.network.on_wire = nullptr;
    REQUIRE(!recorded.empty());
    sites.a.restart_as_planned();
    const auto arrived = sites.datagrams_at_a;
    sites.a.receive(Channel::esp, from, recorded);
    CHECK(sites.datagrams_at_a == arrived);
    CHECK(replayed(sites.a) == 1);
}

TEST_CASE("a session that goes on is renewed and ends when it would have") {
    TwoSites sites(4);
    int sent = 0;
    for (Duration t{0}; t < 20min; t += 500ms) {
        sites.network.at(sites.network.now() + t, [&] {
            sites.datagram(sites.a, sites.b);
            sites.datagram(sites.b, sites.a);
            ++sent;
        });
    }
    for (Duration t = 7s; t < 20min; t += 31s) {
        sites.network.at(sites.network.now() + t, [&] { sites.a.restart_as_planned(); });
        sites.network.at(sites.network.now() + t + 13s, [&] { sites.b.restart_as_planned(); });
    }
    sites.network.run_for(20min + 10s);
    CHECK(sites.datagrams_at_a == sent);
    CHECK(sites.datagrams_at_b == sent);
    CHECK(handshakes(sites.a) >= 8);
    CHECK(handshakes(sites.a) <= 10);
    CHECK(sites.network.nonce_reuses() == 0);
    CHECK(sites.network.seals().strange_keys() == 0);
    CHECK(sites.network.seals().repeated_keys() == 0);
    CHECK(sites.network.seals().oldest_use() <= 180s);
}

TEST_CASE("sequence numbers jump ahead at a planned restart") {
    TwoSites sites(5);
    sites.datagram(sites.a, sites.b);
    sites.network.run_for(2s);
    const auto before = sites.a.datapath().sessions(PeerId{0});
    sites.a.restart_as_planned();
    const auto after = sites.a.datapath().sessions(PeerId{0});
    REQUIRE(before.size() == 1);
    REQUIRE(after.size() == 1);
    CHECK(after[0].next_sequence >= before[0].next_sequence + sequence_jump);
    CHECK(after[0].sealed_bytes >= before[0].sealed_bytes);
    CHECK(after[0].session.established == before[0].session.established);
}
