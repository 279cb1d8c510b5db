// Two sites whose path carries less than their underlay's MTU, or comes to: in virtual time, without a word
// of ICMP from the underlay.
#include <chrono>
#include <vector>

#include <doctest/doctest.h>

#include "overlay/mtu.h"
#include "tests/support/two_sites.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr PortId tunnel{1000};

struct NarrowSites : TwoSites {
    explicit NarrowSites(std::size_t width, LinkOptions links = {}) : TwoSites(1, with_width(links, width)) {
        const auto collect = [](std::vector<Bytes>& frames, std::vector<Bytes>& datagrams) {
            return [&](PortId port, std::span<const std::uint8_t> bytes) {
                (port == tap ? frames : datagrams).emplace_back(bytes.begin(), bytes.end());
            };
        };
        a.on_output = collect(frames_to_a, datagrams_to_a);
        b.on_output = collect(frames_to_b, datagrams_to_b);
        datagram(a, b);
        network.run_for(100ms);
        datagrams_to_b.clear();
    }

    static LinkOptions with_width(LinkOptions links, std::size_t width) {
        links.mtu = width;
        return links;
    }

    // `size` bytes, IP header included.
    Bytes udp_of(std::size_t size, bool dont_fragment) {
        PacketBuilder packet;
        packet.ip(host_ip(a), host_ip(b));
        if (dont_fragment) packet.dont_fragment();
        return packet.udp(1000, 2000).payload(size - 28).build();
    }

    Bytes frame_of(std::size_t size) {
        return PacketBuilder()
            .ethernet(host_mac(b), host_mac(a))
            .ip(host_ip(a), host_ip(b))
            .udp(1, 2)
            .payload(size - 14 - 28)
            .build();
    }

    std::uint16_t path_of_a() { return *a.datapath().snapshot(network.now()).peers[0].path_mtu; }

    std::vector<Bytes> frames_to_a;
    std::vector<Bytes> frames_to_b;
    std::vector<Bytes> datagrams_to_a;
    std::vector<Bytes> datagrams_to_b;
};

}  // namespace

TEST_CASE("the path is measured when a session has come about, to what it carries") {
    for (const std::size_t width : {1500U, 1492U, 1400U, 1280U, 1000U, 576U}) {
        CAPTURE(width);
        NarrowSites sites(width);
        sites.network.run_for(15s);
        CHECK(sites.path_of_a() <= width);
        CHECK(sites.path_of_a() + 4U > width);
    }
}

TEST_CASE("frames of 1500 bytes and more cross every path, byte for byte") {
    for (const std::size_t width : {1500U, 1400U, 1280U, 900U}) {
        NarrowSites sites(width);
        sites.network.run_for(15s);
        for (const std::size_t size : {1000U, 1450U, 1514U, 4000U, 9014U}) {
            CAPTURE(width);
            CAPTURE(size);
            sites.frames_to_b.clear();
            const Bytes frame = sites.frame_of(size);
            sites.a.send(tap, frame);
            sites.network.run_for(1s);
            REQUIRE(sites.frames_to_b.size() == 1);
            CHECK(sites.frames_to_b[0] == frame);
        }
        CHECK(sites.network.nonce_reuses() == 0);
    }
}

TEST_CASE("datagrams that may be fragmented arrive whole, in pieces of the overlay's") {
    NarrowSites sites(1280);
    sites.network.run_for(15s);
    sites.a.send(tun, sites.udp_of(1400, false));
    sites.network.run_for(1s);
    REQUIRE(sites.datagrams_to_b.size() == 1);
    CHECK(sites.datagrams_to_b[0].size() == 1400);
}

TEST_CASE("a sender that forbids fragments is told the size, of the path that was measured") {
    NarrowSites sites(1400);
    sites.network.run_for(15s);
    const std::uint16_t routed = PathMtu{sites.path_of_a(), false}.routed();
    sites.a.send(tun, sites.udp_of(routed + 1U, true));
    REQUIRE(sites.datagrams_to_a.size() == 1);
    const auto* error = view<IcmpHeader>(sites.datagrams_to_a[0], sizeof(Ipv4Header));
    REQUIRE(error != nullptr);
    CHECK(error->type == icmp_type::destination_unreachable);
    CHECK(error->code == 4);
    CHECK(error->rest == routed);
    sites.a.send(tun, sites.udp_of(routed, true));
    sites.network.run_for(1s);
    CHECK(sites.datagrams_to_b.size() == 1);
}

TEST_CASE(
    "a path that grows narrower under full-sized datagrams loses them for 1.2 s, and tells of it later") {
    for (int phase = 0; phase < 400; phase += 37) {
        CAPTURE(phase);
        NarrowSites sites(1500);
        const auto send = [&] { sites.a.send(tun, sites.udp_of(1438, true)); };
        const Instant start = sites.network.now();
        for (Duration t{0}; t < 20s; t += 10ms) sites.network.at(start + t, send);
        Instant latest = start;
        Duration gap{0};
        sites.b.on_output = [&](PortId, std::span<const std::uint8_t>) {
            gap = std::max(gap, sites.network.now() - latest);
            latest = sites.network.now();
        };
        sites.network.run_for(3s + phase * 1ms);
        CHECK(gap < 30ms);
        sites.network.links().mtu = 1300;
        sites.network.run_for(2s);
        CHECK(gap < 1300ms);
        CHECK(sites.datagrams_to_a.empty());
        sites.network.run_for(10s);
        CHECK_FALSE(sites.datagrams_to_a.empty());
        CHECK(sites.network.nonce_reuses() == 0);
    }
}

TEST_CASE("under loss the path is found all the same") {
    NarrowSites sites(1400, {.loss = 0.1, .duplication = 0.05, .delay = 20ms, .jitter = 30ms});
    sites.network.run_for(1min);
    CHECK(sites.path_of_a() <= 1400);
    CHECK(sites.path_of_a() > 1280);
}

TEST_CASE("pieces that are lost are given up and counted, and hold nothing") {
    NarrowSites sites(1280);
    sites.network.run_for(15s);
    int passed = 0;
    sites.network.on_wire = [&](const Endpoint&, const Endpoint& to, Channel, Bytes& bytes) {
        return to != sites.b.address() || bytes.size() < 500 || ++passed % 2 != 0;
    };
    for (int i = 0; i < 10; ++i) sites.a.send(tap, sites.frame_of(1514));
    sites.network.run_for(3s);
    CHECK(sites.frames_to_b.empty());
    CHECK(sites.b.drops(tunnel, Drop::reassembly_timeout) == 10);
    sites.network.on_wire = nullptr;
    sites.a.send(tap, sites.frame_of(1514));
    sites.network.run_for(1s);
    CHECK(sites.frames_to_b.size() == 1);
}

TEST_CASE("an idle peer is asked whether it is there, and is silent if it does not answer") {
    Network network(1);
    Node& a = network.add_node();
    Node& b = network.add_node();
    a.configure([&](Node& node) {
        make_site(node);
        node.add_peer(b, {.prefixes = {site_prefix(b)}, .ask_after = 30s});
    });
    b.configure([&](Node& node) {
        make_site(node);
        node.add_peer(a, {.prefixes = {site_prefix(a)}});
    });
    a.send(tun, PacketBuilder().ip(host_ip(a), host_ip(b)).udp(1, 2).build());
    network.run_for(100s);
    CHECK(a.handshaker().status(PeerId{0}).completed == 1);
    CHECK_FALSE(a.handshaker().status(PeerId{0}).in_progress);
    network.on_wire = [](const Endpoint&, const Endpoint&, Channel, Bytes&) { return false; };
    network.run_for(35s);
    CHECK(a.handshaker().status(PeerId{0}).in_progress);
    network.on_wire = nullptr;
    network.run_for(5s);
    CHECK(a.handshaker().status(PeerId{0}).completed == 2);
}
