// Nodes that talk to one another over a simulated underlay: sessions, loss, NAT, restarts, rekeys, in virtual
// time.
#include <chrono>
#include <set>

#include <doctest/doctest.h>

#include "tests/support/two_sites.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

TEST_CASE("the first packets wait for the handshake and arrive") {
    TwoSites sites(1);
    sites.datagram(sites.a, sites.b);
    sites.frame(sites.a, sites.b);
    CHECK(sites.datagrams_at_b == 0);
    sites.network.run_for(1s);
    CHECK(sites.datagrams_at_b == 1);
    CHECK(sites.frames_at_b == 1);
    sites.datagram(sites.b, sites.a);
    sites.frame(sites.b, sites.a);
    sites.network.run_for(1s);
    CHECK(sites.datagrams_at_a == 1);
    CHECK(sites.frames_at_a == 1);
}

TEST_CASE("both sides starting at once agree on one session and lose nothing") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        TwoSites sites(seed, {.delay = 20ms, .jitter = 15ms});
        sites.datagram(sites.a, sites.b);
        sites.datagram(sites.b, sites.a);
        sites.network.run_for(10s);
        CHECK(sites.datagrams_at_a == 1);
        CHECK(sites.datagrams_at_b == 1);
        CHECK(sites.network.nonce_reuses() == 0);
    }
}

TEST_CASE("a peer without a configured endpoint is found when it speaks first") {
    TwoSites sites(3, {}, true, false);
    sites.datagram(sites.b, sites.a);
    sites.network.run_for(2s);
    CHECK(sites.datagrams_at_a == 0);
    sites.datagram(sites.a, sites.b);
    sites.network.run_for(1s);
    sites.datagram(sites.b, sites.a);
    sites.network.run_for(1s);
    CHECK(sites.datagrams_at_a >= 1);
    CHECK(sites.datagrams_at_b == 1);
}

TEST_CASE("an hour of steady traffic is rekeyed without a lost or repeated packet") {
    TwoSites sites(4);
    int sent = 0;
    for (Duration t{0}; t < 1h; t += 500ms) {
        sites.network.at(sites.network.now() + t, [&] {
            sites.datagram(sites.a, sites.b);
            sites.datagram(sites.b, sites.a);
            ++sent;
        });
    }
    sites.network.run_for(1h + 5s);
    CHECK(sites.datagrams_at_a == sent);
    CHECK(sites.datagrams_at_b == sent);
    CHECK(sites.network.nonce_reuses() == 0);
    // 120 to 150 s a key.
    const auto rekeys = sites.a.handshaker().status(PeerId{0}).completed;
    CHECK(rekeys >= 24);
    CHECK(rekeys <= 40);
}

// Each worker's, current, next and previous.
std::size_t sessions_held(Node& node) {
    std::size_t held = 0;
    for (unsigned worker = 0; worker < node.workers(); ++worker) {
        const Peer& peer = *node.datapath(worker).topology().peers().find(PeerId{0});
        for (const auto* session : {&peer.current, &peer.next, &peer.previous}) held += *session ? 1 : 0;
    }
    return held;
}

TEST_CASE("a path that delays by up to a second delivers every packet of the old session, which then goes") {
    TwoSites sites(41, {.delay = 10ms, .jitter = 1s});
    sites.datagram(sites.a, sites.b);
    sites.network.run_for(5s);
    REQUIRE(sites.datagrams_at_b == 1);
    int sent = 1;
    for (int rekeys = 1; rekeys <= 10; ++rekeys) {
        for (Duration t{0}; t < 10s; t += 50ms) {
            sites.network.at(sites.network.now() + t, [&] {
                sites.datagram(sites.a, sites.b);
                sites.datagram(sites.b, sites.a);
                ++sent;
            });
        }
        sites.network.at(sites.network.now() + 1s,
                         [&] { (rekeys % 2 == 0 ? sites.a : sites.b).initiate(PeerId{0}); });
        sites.network.run_for(4s);
        CHECK(sessions_held(sites.a) == 2);
        CHECK(sessions_held(sites.b) == 2);
        sites.network.run_for(8s);
        CHECK(sessions_held(sites.a) == 1);
        CHECK(sessions_held(sites.b) == 1);
        CHECK(sites.a.handshaker().status(PeerId{0}).completed > static_cast<std::uint64_t>(rekeys));
    }
    CHECK(sites.datagrams_at_b == sent);
    CHECK(sites.datagrams_at_a == sent - 1);
    CHECK(sites.network.nonce_reuses() == 0);
}

TEST_CASE("the old session of idle peers goes, too, once both have the new one") {
    TwoSites sites(42);
    sites.datagram(sites.a, sites.b);
    sites.network.run_for(10s);
    sites.a.initiate(PeerId{0});
    sites.network.run_for(1s);
    CHECK(sessions_held(sites.a) == 2);
    CHECK(sessions_held(sites.b) == 2);
    sites.network.run_for(6s);
    CHECK(sessions_held(sites.a) == 1);
    CHECK(sessions_held(sites.b) == 1);
}

TEST_CASE(
    "traffic returns within five seconds of a restart, whichever side it is and whoever knows the way") {
    for (const bool restart_a : {false, true}) {
        for (const bool b_knows : {false, true}) {
            CAPTURE(restart_a);
            CAPTURE(b_knows);
            TwoSites sites(5, {}, true, b_knows);
            int sent = 0;
            const auto ping = [&] {
                sites.datagram(sites.a, sites.b);
                sites.datagram(sites.b, sites.a);
                ++sent;
            };
            const Instant start = sites.network.now();
            for (Duration t{0}; t < 60s; t += 100ms) sites.network.at(start + t, ping);
            sites.network.run_for(30s);
            (restart_a ? sites.a : sites.b).restart();
            sites.network.run_for(5s);
            const int at_a = sites.datagrams_at_a;
            const int at_b = sites.datagrams_at_b;
            sites.network.run_for(10s);
            // 10 s of traffic, a ping each 100 ms, and not one lost any more.
            CHECK(sites.datagrams_at_a - at_a >= 100);
            CHECK(sites.datagrams_at_b - at_b >= 100);
            CHECK(sites.network.nonce_reuses() == 0);
        }
    }
}

TEST_CASE("a site behind NAT is reached as long as it keeps its mapping alive") {
    TwoSites sites(6, {}, true, false, 20s);
    sites.network.put_behind_nat(sites.a, ip("198.51.100.7"), 30s);
    sites.datagram(sites.a, sites.b);
    sites.network.run_for(300s);
    const int before = sites.datagrams_at_a;
    sites.datagram(sites.b, sites.a);
    sites.network.run_for(1s);
    CHECK(sites.datagrams_at_a == before + 1);
}

TEST_CASE("a NAT that forgets its mappings, and gives out others, is followed") {
    TwoSites sites(7, {}, true, false, 5s);
    sites.network.put_behind_nat(sites.a, ip("198.51.100.7"));
    sites.datagram(sites.a, sites.b);
    sites.network.run_for(10s);
    sites.network.forget_nat_mappings();
    sites.network.run_for(10s);
    const int before = sites.datagrams_at_a;
    sites.datagram(sites.b, sites.a);
    sites.network.run_for(1s);
    CHECK(sites.datagrams_at_a == before + 1);
}

TEST_CASE("a replayed capture, a flipped bit, a foreign key: nothing is delivered, each under its name") {
    TwoSites sites(8);
    std::vector<Bytes> to_b;
    sites.network.on_wire = [&](const Endpoint&, const Endpoint& to, Channel, Bytes& bytes) {
        if (to == sites.b.address()) to_b.push_back(bytes);
        return true;
    };
    for (int i = 0; i < 10; ++i) {
        sites.datagram(sites.a, sites.b);
        sites.frame(sites.a, sites.b);
        sites.network.run_for(1s);
    }
    REQUIRE(sites.datagrams_at_b == 10);
    REQUIRE(sites.frames_at_b == 10);
    const PortId tunnel{1000};
    std::size_t esp = 0;
    std::size_t control = 0;
    for (const Bytes& datagram : to_b) {
        ++(datagram[0] == 0 && datagram[1] == 0 && datagram[2] == 0 && datagram[3] == 0 ? control : esp);
    }

    SUBCASE("replayed") {
        for (const Bytes& datagram : to_b) sites.b.receive(Channel::esp, sites.a.address(), datagram);
        CHECK(sites.b.drops(tunnel, Drop::replayed) == esp);
        CHECK(sites.b.underlay_drops(Drop::handshake_failed) == control);
    }
    SUBCASE("flipped") {
        std::size_t flipped = 0;
        for (const Bytes& datagram : to_b) {
            for (std::size_t bit = 0; bit < datagram.size() * 8; ++bit) {
                Bytes altered = datagram;
                altered[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
                sites.b.receive(Channel::esp, sites.a.address(), altered);
                ++flipped;
            }
        }
        const auto& drops = sites.b.topology().port(tunnel).drops;
        const auto& underlay = sites.b.datapath().underlay_drops();
        // A flipped bit in the sequence number may make the packet a replay before it is found out.
        CHECK(drops[Drop::auth_failed] + drops[Drop::replayed] + drops[Drop::too_old] + underlay.total() ==
              flipped);
        CHECK(drops[Drop::auth_failed] > 0);
        CHECK(underlay[Drop::unknown_spi] > 0);
    }
    CHECK(sites.datagrams_at_b == 10);
    CHECK(sites.frames_at_b == 10);
}

TEST_CASE("nothing is sent to and nothing accepted from a peer with another pre-shared key") {
    Network network(9);
    Node& a = network.add_node();
    Node& b = network.add_node();
    Secret<32> psk;
    psk.writable()[0] = 1;
    int delivered = 0;
    a.configure([&](Node& node) {
        make_site(node);
        node.add_peer(b, {.bridges = {lan}, .prefixes = {site_prefix(b)}, .preshared_key = psk.clone()});
    });
    b.configure([&](Node& node) {
        make_site(node);
        node.add_peer(a, {.bridges = {lan}, .prefixes = {site_prefix(a)}});
    });
    b.on_output = [&](PortId, std::span<const std::uint8_t>) { ++delivered; };
    a.send(tun, PacketBuilder().ip(host_ip(a), host_ip(b)).udp(1, 2).build());
    network.run_for(30s);
    CHECK(delivered == 0);
    CHECK(a.handshaker().status(PeerId{0}).completed == 0);
    CHECK(a.drops(PortId{1000}, Drop::no_session) == 1);
}

TEST_CASE("under loss, reordering and duplication no packet is delivered twice") {
    TwoSites sites(10, {.loss = 0.2, .duplication = 0.3, .delay = 10ms, .jitter = 50ms});
    std::multiset<std::uint32_t> seen;
    sites.b.on_output = [&](PortId, std::span<const std::uint8_t> bytes) {
        seen.insert(
            static_cast<std::uint32_t>(bytes[28] << 24 | bytes[29] << 16 | bytes[30] << 8 | bytes[31]));
    };
    for (std::uint32_t i = 0; i < 2000; ++i) {
        sites.network.at(sites.network.now() + 20ms * i, [&sites, i] {
            const Bytes number{static_cast<std::uint8_t>(i >> 24), static_cast<std::uint8_t>(i >> 16),
                               static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)};
            sites.a.send(
                tun,
                PacketBuilder().ip(host_ip(sites.a), host_ip(sites.b)).udp(1, 2).payload(number).build());
        });
    }
    sites.network.run_for(60s);
    CHECK(seen.size() > 1500);
    CHECK(std::set(seen.begin(), seen.end()).size() == seen.size());
    CHECK(sites.network.nonce_reuses() == 0);
}

TEST_CASE("frames between two tunnels are cut off by split horizon") {
    Network network(11);
    Node& a = network.add_node();
    Node& hub = network.add_node();
    Node& c = network.add_node();
    int at_c = 0;
    int at_hub = 0;
    a.configure([&](Node& node) {
        make_site(node);
        node.add_peer(hub, {.bridges = {lan}});
    });
    hub.configure([&](Node& node) {
        make_site(node);
        node.add_peer(a, {.bridges = {lan}});
        node.add_peer(c, {.bridges = {lan}});
    });
    c.configure([&](Node& node) {
        make_site(node);
        node.add_peer(hub, {.bridges = {lan}});
    });
    hub.on_output = [&](PortId, std::span<const std::uint8_t>) { ++at_hub; };
    c.on_output = [&](PortId, std::span<const std::uint8_t>) { ++at_c; };
    a.send(tap,
           PacketBuilder().ethernet(broadcast_mac, host_mac(a)).ip(host_ip(a), host_ip(c)).udp(1, 2).build());
    network.run_for(1s);
    CHECK(at_hub == 1);
    CHECK(at_c == 0);
}

TEST_CASE("the same seed gives the same trace, another seed another") {
    const auto run = [](std::uint64_t seed) {
        TwoSites sites(seed, {.loss = 0.1, .duplication = 0.1, .delay = 10ms, .jitter = 30ms});
        for (int i = 0; i < 300; ++i) {
            sites.network.at(sites.network.now() + 1s * i, [&] {
                sites.datagram(sites.a, sites.b);
                sites.frame(sites.b, sites.a);
            });
        }
        sites.network.run_for(310s);
        return sites.network.trace();
    };
    CHECK(run(1) == run(1));
    CHECK(run(1) != run(2));
}
