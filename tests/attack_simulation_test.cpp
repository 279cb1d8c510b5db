// Two sites whose handshakes are attacked from outside: floods, first messages that were recorded or held
// back.
#include <chrono>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/two_sites.h"

using namespace std::chrono_literals;
using namespace weft;
using namespace weft::test;

namespace {

const Endpoint elsewhere{IpAddress::v4({198, 51, 100, 7}), 4500};

bool is_initiation(const Bytes& bytes) {
    const auto frame = ControlFrame::parse(bytes);
    return frame && frame->type == ControlType::initiation;
}

Endpoint endpoint_at(Node& node) {
    return node.topology().peers().find(PeerId{0})->endpoint.value_or(Endpoint{});
}

// Messages with a right mac1 to `victim` from ever other addresses, so many in a millisecond, from now on.
void flood(Network& network, Node& victim, unsigned in_a_millisecond, Duration lasting) {
    const auto message = ControlBuilder::initiation(7, 115).finish(mac1_key(victim.public_key()), nullptr);
    for (Duration when{0}; when < lasting; when += 1ms) {
        network.at(network.now() + when, [&network, &victim, in_a_millisecond, message] {
            for (unsigned i = 0; i < in_a_millisecond; ++i) {
                std::array<std::uint8_t, 4> from{};
                network.random().fill(from);
                victim.receive(Channel::esp, {IpAddress::v4(from), 4500}, message.datagram);
            }
        });
    }
}

}  // namespace

TEST_CASE("during a flood a session goes on, and a site that starts is in within 5 s") {
    for (const bool known : {true, false}) {  // the site that starts is called, or calls
        TwoSites sites(20, {}, true, known);
        sites.datagram(sites.a, sites.b);
        sites.network.run_for(1s);
        REQUIRE(sites.datagrams_at_b == 1);

        flood(sites.network, sites.b, 10, 12s);
        for (int i = 0; i < 100; ++i)
            sites.network.at(sites.network.now() + 50ms * i, [&] { sites.datagram(sites.a, sites.b); });
        sites.network.run_for(6s);
        CHECK(sites.datagrams_at_b == 101);
        CHECK(sites.b.underlay_drops(Drop::cookie_demanded) > 20'000);
        CHECK(sites.b.underlay_drops(Drop::handshake_rate_limited) > 20'000);

        sites.a.restart();
        sites.datagram(sites.a, sites.b);
        sites.network.run_for(5s);
        CHECK(sites.datagrams_at_b == 102);
    }
}

TEST_CASE("a first message that was held back and sent on from elsewhere moves no session") {
    TwoSites sites(21);
    sites.datagram(sites.a, sites.b);
    sites.network.run_for(1s);
    Bytes held;
    sites.network.on_wire = [&](const Endpoint&, const Endpoint& to, Channel, Bytes& bytes) {
        if (to != sites.b.address() || !is_initiation(bytes) || !held.empty()) return true;
        held = bytes;
        return false;
    };
    sites.a.initiate(PeerId{0});
    REQUIRE_FALSE(held.empty());
    sites.b.receive(Channel::esp, elsewhere, held);
    CHECK(endpoint_at(sites.b) == sites.a.address());
    sites.datagram(sites.b, sites.a);
    sites.network.run_for(10s);
    CHECK(sites.datagrams_at_a == 1);
    CHECK(endpoint_at(sites.b) == sites.a.address());
}

TEST_CASE("a peer of unknown endpoint comes up, and is followed when a packet comes from elsewhere") {
    TwoSites sites(22, {}, true, false);
    sites.datagram(sites.a, sites.b);
    sites.network.run_for(1s);
    CHECK(endpoint_at(sites.b) == sites.a.address());
    sites.a.move_to(elsewhere);
    sites.a.initiate(PeerId{0});  // its dummy tells
    sites.network.run_for(1s);
    CHECK(endpoint_at(sites.b) == elsewhere);
    sites.datagram(sites.b, sites.a);
    sites.network.run_for(1s);
    CHECK(sites.datagrams_at_a == 1);
}

TEST_CASE("first messages that were recorded are refused after a restart of the responder") {
    TwoSites sites(23);
    std::vector<Bytes> recorded;
    sites.network.on_wire = [&](const Endpoint&, const Endpoint& to, Channel, Bytes& bytes) {
        if (to == sites.b.address() && is_initiation(bytes)) recorded.push_back(bytes);
        return true;
    };
    for (int i = 0; i < 30; ++i) {
        sites.datagram(sites.a, sites.b);
        sites.network.run_for(10s);
    }
    REQUIRE(recorded.size() >= 2);
    sites.b.restart();
    sites.network.on_wire = {};
    const auto completed = [&] { return sites.b.handshaker().status(PeerId{0}).completed; };
    for (const Bytes& initiation : recorded) {
        sites.b.receive(Channel::esp, sites.a.address(), initiation);
        sites.network.run_for(50ms);
    }
    CHECK(sites.b.underlay_drops(Drop::handshake_failed) == recorded.size());
    CHECK(completed() == 0);
    sites.datagram(sites.b, sites.a);
    sites.network.run_for(5s);
    CHECK(completed() >= 1);
}
