// Nodes with several workers: who gets which packet, and what they tell one another.
#include <chrono>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"
#include "tests/support/simulated_network.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr BridgeId lan{0};
constexpr PortId tap{0};
constexpr PortId tun{1};
constexpr PortId leg{2};
constexpr PortId second_tap{3};
constexpr PortId tunnel{1000};
constexpr PeerId peer{0};
constexpr MacAddress host_a{{2, 0, 0, 0, 0, 0xA}};
constexpr MacAddress host_b{{2, 0, 0, 0, 0, 0xB}};
const IpAddress address_a = IpAddress::v4({10, 1, 0, 2});
const IpAddress address_b = IpAddress::v4({10, 2, 0, 2});

struct Site {
    IpAddress address;
    IpAddress gateway;
    Prefix remote;
};

struct TwoSites {
    TwoSites(unsigned workers_a, unsigned workers_b, std::uint64_t seed = 1)
        : network(seed), a(network.add_node(workers_a)), b(network.add_node(workers_b)) {
        make(a, b, {address_a, IpAddress::v4({10, 9, 0, 1}), Prefix{address_b, 24}.network()});
        make(b, a, {address_b, IpAddress::v4({10, 9, 0, 2}), Prefix{address_a, 24}.network()});
        count(a, at_a, flooded_at_a);
        count(b, at_b, flooded_at_b);
    }

    static void make(Node& node, Node& other, const Site& site) {
        node.configure([&other, site](Node& made) {
            made.topology().add_bridge(lan, {.vni = Vni{100}, .limits = {}});
            made.topology().add_frame_device(tap, lan, {});
            made.topology().add_frame_device(second_tap, lan, {});
            made.topology().add_datagram_device(tun, {{site.address, 24}}, 1438);
            made.topology().add_leg(
                leg, lan, {.mac = {{2, 0, 0, 0, 0, 0xF}}, .addresses = {{site.gateway, 24}}, .mtu = 1400});
            made.add_peer(other, {.bridges = {lan}, .prefixes = {site.remote}});
        });
    }

    static void count(Node& node, int& arrived, int& flooded) {
        node.on_output = [&](PortId port, std::span<const std::uint8_t>) {
            ++(port == second_tap ? flooded : arrived);
        };
    }

    void datagram(Node& from, unsigned worker) {
        const bool to_b = &from == &a;
        from.send(tun,
                  PacketBuilder()
                      .ip(to_b ? address_a : address_b, to_b ? address_b : address_a)
                      .udp(1000, 2000)
                      .payload(100)
                      .build(),
                  worker);
    }

    void frame(Node& from, unsigned worker) {
        const bool to_b = &from == &a;
        from.send(tap,
                  PacketBuilder()
                      .ethernet(to_b ? host_b : host_a, to_b ? host_a : host_b)
                      .ip(address_a, address_b)
                      .udp(1, 2)
                      .build(),
                  worker);
    }

    [[nodiscard]] std::uint64_t astray() {
        return a.underlay_drops(Drop::unknown_spi) + b.underlay_drops(Drop::unknown_spi);
    }

    Network network;
    Node& a;
    Node& b;
    int at_a = 0;
    int at_b = 0;
    int flooded_at_a = 0;
    int flooded_at_b = 0;
};

std::uint64_t received(Node& node, unsigned worker) {
    return node.datapath(worker).topology().port(tunnel).traffic.rx_packets;
}

const std::pair<unsigned, unsigned> pairs[] = {{1, 1}, {1, 2}, {2, 1}, {2, 2}, {2, 3}, {5, 3}, {16, 16}};

}  // namespace

TEST_CASE("every worker's packets arrive, both ways, whatever the numbers of workers") {
    for (const auto& [workers_a, workers_b] : pairs) {
        CAPTURE(workers_a);
        CAPTURE(workers_b);
        TwoSites sites(workers_a, workers_b);
        for (unsigned worker = 0; worker < workers_a; ++worker) sites.datagram(sites.a, worker);
        sites.network.run_for(1s);
        CHECK(sites.at_b == static_cast<int>(workers_a));
        for (unsigned worker = 0; worker < workers_b; ++worker) sites.datagram(sites.b, worker);
        sites.network.run_for(1s);
        CHECK(sites.at_a == static_cast<int>(workers_b));
        CHECK(sites.astray() == 0);
        CHECK(sites.network.nonce_reuses() == 0);

        unsigned busy = 0;
        for (unsigned worker = 0; worker < workers_b; ++worker) busy += received(sites.b, worker) > 0 ? 1 : 0;
        CHECK(busy == std::min(workers_a, workers_b));
    }
}

TEST_CASE("an hour of traffic from all workers is rekeyed without a lost packet or a repeated nonce") {
    for (const auto& [workers_a, workers_b] : {std::pair{2U, 2U}, std::pair{1U, 3U}}) {
        TwoSites sites(workers_a, workers_b);
        int sent_by_a = 0;
        int sent_by_b = 0;
        for (Duration t{0}; t < 1h; t += 500ms) {
            sites.network.at(sites.network.now() + t, [&] {
                sites.datagram(sites.a, static_cast<unsigned>(sent_by_a++) % sites.a.workers());
                sites.datagram(sites.b, static_cast<unsigned>(sent_by_b++) % sites.b.workers());
            });
        }
        sites.network.run_for(1h + 10s);
        CHECK(sites.at_a == sent_by_b);
        CHECK(sites.at_b == sent_by_a);
        CHECK(sites.a.handshaker().status(peer).completed > 20);
        CHECK(sites.a.handshaker().status(peer).completed < 50);
        CHECK(sites.astray() == 0);
        CHECK(sites.network.nonce_reuses() == 0);
    }
}

TEST_CASE("a worker that only sends, and hears nothing, does not take the peer for dead") {
    TwoSites sites(3, 1);
    sites.datagram(sites.a, 0);
    sites.network.run_for(1s);
    for (Duration t{0}; t < 1min; t += 200ms) {
        sites.network.at(sites.network.now() + t, [&] {
            for (unsigned worker = 0; worker < 3; ++worker) sites.datagram(sites.a, worker);
            sites.datagram(sites.b, 0);
        });
    }
    sites.network.run_for(1min);
    unsigned deaf = 0;
    for (unsigned worker = 0; worker < 3; ++worker) deaf += received(sites.a, worker) == 0 ? 1 : 0;
    CHECK(deaf == 2);
    CHECK(sites.a.handshaker().status(peer).completed == 1);
}

TEST_CASE("a peer that dies is noticed, and one that restarts is reached again by all workers") {
    TwoSites sites(2, 2);
    for (unsigned worker = 0; worker < 2; ++worker) sites.datagram(sites.a, worker);
    sites.network.run_for(2s);
    CHECK(sites.at_b == 2);
    sites.b.restart();
    for (Duration t{0}; t < 10s; t += 100ms) {
        sites.network.at(sites.network.now() + t, [&] {
            for (unsigned worker = 0; worker < 2; ++worker) sites.datagram(sites.a, worker);
        });
    }
    sites.network.run_for(10s);
    CHECK(sites.a.handshaker().status(peer).completed == 2);
    sites.at_b = 0;
    for (unsigned worker = 0; worker < 2; ++worker) sites.datagram(sites.a, worker);
    sites.network.run_for(1s);
    CHECK(sites.at_b == 2);
    CHECK(sites.network.nonce_reuses() == 0);
}

TEST_CASE("the responder's workers use a session once any of them has heard from it") {
    TwoSites sites(1, 3);
    sites.datagram(sites.a, 0);
    sites.network.run_for(1s);
    for (unsigned worker = 0; worker < 3; ++worker) sites.datagram(sites.b, worker);
    sites.network.run_for(1s);
    CHECK(sites.at_a == 3);
    CHECK(sites.b.handshaker().status(peer).completed == 1);
}

TEST_CASE("a peer that has moved is followed by all workers") {
    TwoSites sites(2, 2);
    for (unsigned worker = 0; worker < 2; ++worker) sites.datagram(sites.a, worker);
    sites.network.run_for(1s);
    sites.a.move_to({IpAddress::v4({10, 200, 7, 7}), 4500});
    sites.datagram(sites.a, 0);
    sites.network.run_for(1s);
    for (unsigned worker = 0; worker < 2; ++worker) sites.datagram(sites.b, worker);
    sites.network.run_for(1s);
    CHECK(sites.at_a == 2);
}

TEST_CASE("a station that one worker has seen is known to the others") {
    TwoSites sites(2, 2);
    sites.frame(sites.b, 1);
    sites.network.run_for(1s);
    sites.flooded_at_a = 0;
    sites.flooded_at_b = 0;
    for (unsigned worker = 0; worker < 2; ++worker) sites.frame(sites.a, worker);
    sites.network.run_for(1s);
    CHECK(sites.at_b == 2);
    CHECK(sites.flooded_at_a == 0);
    CHECK(sites.flooded_at_b == 0);
}

TEST_CASE("a station that talks to one worker does not age out at the others") {
    TwoSites sites(2, 2);
    for (Duration t{0}; t < 20min; t += 20s) {
        sites.network.at(sites.network.now() + t, [&] { sites.frame(sites.b, 0); });
    }
    sites.network.run_for(20min);
    sites.flooded_at_a = 0;
    for (unsigned worker = 0; worker < 2; ++worker) sites.frame(sites.a, worker);
    sites.network.run_for(1s);
    CHECK(sites.flooded_at_a == 0);
}

TEST_CASE("an answer to ARP that another worker reads is an answer") {
    TwoSites sites(2, 2);
    const IpAddress station = IpAddress::v4({10, 9, 0, 77});
    std::vector<Bytes> frames;
    sites.a.on_output = [&](PortId port, std::span<const std::uint8_t> bytes) {
        if (port == tap) frames.emplace_back(bytes.begin(), bytes.end());
    };
    sites.a.send(tun, PacketBuilder().ip(address_a, station).udp(1, 2).payload(50).build(), 0);
    REQUIRE(frames.size() == 1);  // the question
    sites.a.send(tap,
                 PacketBuilder()
                     .ethernet({{2, 0, 0, 0, 0, 0xF}}, host_a)
                     .arp_reply(host_a, station, {{2, 0, 0, 0, 0, 0xF}}, IpAddress::v4({10, 9, 0, 1}))
                     .build(),
                 1);
    REQUIRE(frames.size() == 2);
    CHECK(std::equal(host_a.octets.begin(), host_a.octets.end(), frames[1].begin()));
}
