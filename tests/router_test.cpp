#include "vswitch/router.h"

#include <doctest/doctest.h>

#include "tests/support/datagrams.h"

using namespace weft;
using namespace weft::test;
using Action = RouteVerdict::Action;

namespace {

constexpr PortId lan{1};
constexpr PortId dmz{2};
constexpr PortId tun{3};
constexpr PortId peer{4};
const Instant start{std::chrono::hours{1}};

// Two bridges, a TUN device and a peer whose tunnel is narrow.
class Fixture {
  public:
    Fixture() {
        router.add_port({lan,
                         RouterPort::Kind::leg,
                         1500,
                         {prefix("10.1.0.1/24"), prefix("2001:db8:1::1/64"), prefix("fe80::1/64")}});
        router.add_port({dmz,
                         RouterPort::Kind::leg,
                         1500,
                         {prefix("10.2.0.1/24"), prefix("2001:db8:2::1/64"), prefix("fe80::1/64")}});
        router.add_port(
            {tun, RouterPort::Kind::device, 1500, {prefix("10.3.0.1/24"), prefix("2001:db8:3::1/64")}});
        router.add_port({peer, RouterPort::Kind::tunnel, 1400, {}});
        router.add_route({.to = prefix("10.4.0.0/16"), .out = peer, .origin = Route::Origin::peer});
        router.add_route({.to = prefix("2001:db8:4::/48"), .out = peer, .origin = Route::Origin::peer});
        router.add_route({.to = prefix("172.16.0.0/12"), .out = no_port, .via = ip("10.2.0.254")});
        router.add_route({.to = prefix("192.168.0.0/16"), .out = no_port, .via = ip("203.0.113.1")});
    }

    RouteVerdict route(const Bytes& datagram, PortId in, Instant now = start) {
        packet = pool.take(datagram);
        const auto what = classify_datagram(packet.bytes());
        REQUIRE(what.has_value());
        return router.route(packet, *what, in, now);
    }

    [[nodiscard]] Bytes bytes() const { return {packet.bytes().begin(), packet.bytes().end()}; }

    PacketPool pool{4};
    Router router;
    Packet packet;
};

// Type and code of the ICMP message in a datagram without options.
unsigned icmp_type_code(const Bytes& bytes) {
    return get16(bytes, bytes[0] >> 4U == 6 ? 40 : 20);
}

IpAddress source_of(const Bytes& bytes) {
    const auto flow = classify_datagram(bytes);
    REQUIRE(flow.has_value());
    return flow->flow.source;
}

}  // namespace

TEST_CASE("a datagram leaves by the longest prefix, towards its destination or the next hop") {
    struct {
        const char* to = nullptr;
        PortId out;
        const char* next_hop = nullptr;
    } const rows[] = {
        {"10.1.0.7", lan, "10.1.0.7"},           {"10.2.0.7", dmz, "10.2.0.7"},
        {"10.3.0.7", tun, "10.3.0.7"},           {"10.4.9.9", peer, "10.4.9.9"},
        {"172.16.5.5", dmz, "10.2.0.254"},       {"2001:db8:2::9", dmz, "2001:db8:2::9"},
        {"2001:db8:3::9", tun, "2001:db8:3::9"}, {"2001:db8:4:7::9", peer, "2001:db8:4:7::9"},
    };

    Fixture net;
    for (const auto& row : rows) {
        CAPTURE(row.to);
        const IpAddress to = ip(row.to);
        const Bytes sent = udp_datagram(to.is_v6() ? ip("2001:db8:1::5") : ip("10.1.0.5"), to, 100, 64);
        const auto verdict = net.route(sent, lan);
        CHECK(verdict.action == Action::forward);
        CHECK_FALSE(verdict.reason.has_value());
        CHECK(verdict.out == row.out);
        CHECK(verdict.next_hop == ip(row.next_hop));
        Bytes expected = sent;
        --expected[to.is_v6() ? 7 : 8];
        if (to.is_v4()) {
            put16(expected, 10, 0);
            put16(expected, 10, naive_checksum(std::span(expected).first(20)));
        }
        CHECK(net.bytes() == expected);
    }
}

TEST_CASE("whose MAC address a destination needs is known for those on a leg, directly or by a router") {
    const Fixture net;
    CHECK(net.router.next_hop(ip("10.1.0.7")) == ip("10.1.0.7"));
    CHECK(net.router.next_hop(ip("2001:db8:2::9")) == ip("2001:db8:2::9"));
    CHECK(net.router.next_hop(ip("172.16.5.5")) == ip("10.2.0.254"));
    for (const char* elsewhere : {"10.3.0.7", "10.4.9.9", "192.168.0.1", "203.0.113.9", "2001:db8:9::9"})
        CHECK_FALSE(net.router.next_hop(ip(elsewhere)));
}

TEST_CASE("a port's MTU is what it was added with or set to, and that of no port is 0") {
    Fixture net;
    CHECK(net.router.mtu(lan) == 1500);
    CHECK(net.router.mtu(peer) == 1400);
    net.router.set_mtu(peer, 1300);
    CHECK(net.router.mtu(peer) == 1300);
    net.router.remove_port(peer);
    CHECK(net.router.mtu(peer) == 0);
    CHECK(net.router.mtu(no_port) == 0);
    CHECK_FALSE(net.router.next_hop(ip("10.4.9.9")));
}

TEST_CASE("the header checksum stays right for every TTL") {
    Fixture net;
    for (unsigned ttl = 2; ttl < 256; ++ttl) {
        for (const std::uint16_t identification :
             std::initializer_list<std::uint16_t>{0, 1, 0x1234, 0xFFFF}) {
            const Bytes sent =
                ipv4(ip("10.1.0.5"), ip("10.2.0.5"), 17, pattern(20),
                     {.ttl = static_cast<std::uint8_t>(ttl), .identification = identification});
            REQUIRE(net.route(sent, lan).action == Action::forward);
            REQUIRE(naive_checksum(net.packet.bytes().first(20)) == 0);
        }
    }
}

TEST_CASE("what may not be forwarded is dropped in silence") {
    struct {
        const char* from = nullptr;
        const char* to = nullptr;
        PortId in;
        Drop reason = Drop::malformed;
    } const rows[] = {
        {"224.0.0.5", "10.2.0.5", lan, Drop::not_forwardable},
        {"0.0.0.0", "10.2.0.5", lan, Drop::not_forwardable},
        {"127.0.0.1", "10.2.0.5", lan, Drop::not_forwardable},
        {"255.255.255.255", "10.2.0.5", lan, Drop::not_forwardable},
        {"169.254.1.1", "10.2.0.5", lan, Drop::not_forwardable},
        {"10.1.0.5", "127.0.0.1", lan, Drop::not_forwardable},
        {"10.1.0.5", "0.0.0.0", lan, Drop::not_forwardable},
        {"10.1.0.5", "169.254.1.1", lan, Drop::not_forwardable},
        {"10.1.0.5", "255.255.255.255", lan, Drop::not_forwardable},
        {"10.1.0.5", "224.0.0.251", lan, Drop::not_forwardable},
        {"10.1.0.5", "10.1.0.255", lan, Drop::not_forwardable},
        {"10.1.0.5", "10.2.0.255", lan, Drop::not_forwardable},
        {"ff02::1", "2001:db8:2::5", lan, Drop::not_forwardable},
        {"::", "2001:db8:2::5", lan, Drop::not_forwardable},
        {"::1", "2001:db8:2::5", lan, Drop::not_forwardable},
        {"fe80::5", "2001:db8:2::5", lan, Drop::not_forwardable},
        {"2001:db8:1::5", "::1", lan, Drop::not_forwardable},
        {"2001:db8:1::5", "::", lan, Drop::not_forwardable},
        {"2001:db8:1::5", "fe80::5", lan, Drop::not_forwardable},
        {"2001:db8:1::5", "ff02::5", lan, Drop::not_forwardable},
        {"10.3.0.1", "10.3.0.9", tun, Drop::same_port},
        {"10.3.0.1", "10.3.0.1", tun, Drop::same_port},
        {"10.4.0.1", "10.4.0.9", peer, Drop::same_port},
    };

    Fixture net;
    for (const auto& row : rows) {
        CAPTURE(row.from);
        CAPTURE(row.to);
        const auto verdict = net.route(udp_datagram(ip(row.from), ip(row.to), 100), row.in);
        CHECK(verdict.action == Action::drop);
        CHECK(verdict.reason == row.reason);
    }
}

TEST_CASE("a leg sends back to its own bridge") {
    Fixture net;
    CHECK(net.route(udp_datagram(ip("10.1.0.5"), ip("10.1.0.6"), 10), lan).out == lan);
}

TEST_CASE("a ping to any address of the router is answered") {
    struct {
        const char* from = nullptr;
        const char* to = nullptr;
        PortId in;
        PortId out;
    } const rows[] = {
        {"10.1.0.5", "10.1.0.1", lan, lan},
        {"10.1.0.5", "10.2.0.1", lan, lan},
        {"10.4.0.5", "10.2.0.1", peer, peer},
        {"10.3.0.1", "10.1.0.1", tun, tun},
        {"2001:db8:1::5", "2001:db8:2::1", lan, lan},
        {"fe80::5", "fe80::1", dmz, dmz},
        {"fe80::5", "fe80::1", lan, lan},
        {"fe80::5", "2001:db8:1::1", lan, lan},
    };

    Fixture net;
    for (const auto& row : rows) {
        CAPTURE(row.from);
        CAPTURE(row.to);
        const auto verdict = net.route(ping(ip(row.from), ip(row.to), 56, 1), row.in);
        CHECK(verdict.action == Action::forward);
        CHECK_FALSE(verdict.reason.has_value());
        CHECK(verdict.out == row.out);
        CHECK(verdict.next_hop == ip(row.from));
        CHECK(icmp_type_code(net.bytes()) == (ip(row.from).is_v6() ? 0x8100 : 0x0000));
        CHECK(source_of(net.bytes()) == ip(row.to));
    }
}

TEST_CASE("a link-local address of the router is its own on that leg only") {
    Fixture net;
    const Bytes to_leg = ping(ip("fe80::5"), ip("fe80::1"));
    CHECK(net.route(to_leg, tun).reason == Drop::not_forwardable);
    CHECK(net.route(to_leg, peer).action == Action::drop);
    net.router.remove_port(dmz);
    CHECK(net.route(to_leg, lan).action == Action::forward);
}

TEST_CASE("a ping with a wrong checksum is not answered") {
    Fixture net;
    Bytes damaged = ping(ip("10.1.0.5"), ip("10.1.0.1"));
    damaged.back() ^= 1;
    CHECK(net.route(damaged, lan).reason == Drop::bad_checksum);
}

TEST_CASE("a ping that pretends to come from the router itself is not answered") {
    Fixture net;
    CHECK(net.route(ping(ip("10.1.0.1"), ip("10.1.0.1")), lan).action == Action::drop);
    CHECK(net.route(ping(ip("10.1.0.255"), ip("10.1.0.1")), lan).action == Action::drop);
    CHECK(net.route(ping(ip("fe80::1"), ip("fe80::1")), lan).action == Action::drop);
}

TEST_CASE("each failure is reported to the sender with its own ICMP error, from the leg that it came to") {
    const IpAddress from_v4 = ip("10.1.0.5");
    const IpAddress from_v6 = ip("2001:db8:1::5");

    struct {
        const char* what;
        Bytes datagram;
        Drop reason;
        unsigned type_code;
        std::uint32_t rest;
        const char* source;
    } const rows[] = {
        {"no route", udp_datagram(from_v4, ip("203.0.113.9"), 10), Drop::no_route, 0x0300, 0, "10.1.0.1"},
        {"no route", udp_datagram(from_v6, ip("2001:db8:99::1"), 10), Drop::no_route, 0x0100, 0,
         "2001:db8:1::1"},
        {"next hop without route", udp_datagram(from_v4, ip("192.168.1.1"), 10), Drop::no_route, 0x0300, 0,
         "10.1.0.1"},
        {"TTL", udp_datagram(from_v4, ip("10.2.0.5"), 10, 1), Drop::ttl_exceeded, 0x0B00, 0, "10.1.0.1"},
        {"TTL of zero", udp_datagram(from_v4, ip("10.2.0.5"), 10, 0), Drop::ttl_exceeded, 0x0B00, 0,
         "10.1.0.1"},
        {"hop limit", udp_datagram(from_v6, ip("2001:db8:2::5"), 10, 1), Drop::ttl_exceeded, 0x0300, 0,
         "2001:db8:1::1"},
        {"DF",
         ipv4(from_v4, ip("10.4.0.5"), 17, udp(from_v4, ip("10.4.0.5"), pattern(1400)),
              {.flags_fragment = 0x4000}),
         Drop::too_big, 0x0304, 1400, "10.1.0.1"},
        {"IPv6", udp_datagram(from_v6, ip("2001:db8:4::5"), 1400), Drop::too_big, 0x0200, 1400,
         "2001:db8:1::1"},
        {"UDP to the router", udp_datagram(from_v4, ip("10.2.0.1"), 10), Drop::not_for_us, 0x0303, 0,
         "10.2.0.1"},
        {"UDP to the router", udp_datagram(from_v6, ip("2001:db8:2::1"), 10), Drop::not_for_us, 0x0104, 0,
         "2001:db8:2::1"},
        {"OSPF to the router", ipv4(from_v4, ip("10.1.0.1"), 89, pattern(50)), Drop::not_for_us, 0x0302, 0,
         "10.1.0.1"},
    };

    Fixture net;
    for (const auto& row : rows) {
        CAPTURE(row.what);
        const auto verdict = net.route(row.datagram, lan);
        REQUIRE(verdict.action == Action::forward);
        CHECK(verdict.reason == row.reason);
        CHECK(verdict.out == lan);
        const Bytes error = net.bytes();
        CHECK(verdict.next_hop == (error[0] >> 4U == 6 ? from_v6 : from_v4));
        CHECK(source_of(error) == ip(row.source));
        CHECK(icmp_type_code(error) == row.type_code);
        const std::size_t header = error[0] >> 4U == 6 ? 40 : 20;
        CHECK(get32(error, header + 4) == row.rest);
        const std::size_t quoted =
            std::min(row.datagram.size(), (header == 40 ? std::size_t{1280} : 576) - header - 8);
        CHECK(Bytes(error.begin() + static_cast<std::ptrdiff_t>(header + 8), error.end()) ==
              Bytes(row.datagram.begin(), row.datagram.begin() + static_cast<std::ptrdiff_t>(quoted)));
    }
}

TEST_CASE("IPv4 without DF that is too big is to be fragmented") {
    Fixture net;
    const auto verdict = net.route(udp_datagram(ip("10.1.0.5"), ip("10.4.0.5"), 1400), lan);
    CHECK(verdict.action == Action::fragment);
    CHECK(verdict.mtu == 1400);
    CHECK(verdict.out == peer);
    CHECK(net.bytes()[8] == 63);
    CHECK(net.route(udp_datagram(ip("10.1.0.5"), ip("10.4.0.5"), 1372), lan).action == Action::forward);
}

TEST_CASE("a super-frame passes if its segments do") {
    for (const std::uint16_t gso_size : std::initializer_list<std::uint16_t>{1372, 1373}) {
        Fixture net;
        net.packet = net.pool.take(ipv4(ip("10.1.0.5"), ip("10.4.0.5"), 17,
                                        udp(ip("10.1.0.5"), ip("10.4.0.5"), pattern(9000)),
                                        {.flags_fragment = 0x4000}));
        net.packet.offload() = {
            .gso = Offload::Gso::udp, .needs_checksum = true, .gso_size = gso_size, .checksum_offset = 6};
        net.packet.set_checksum_start(20);
        const auto what = classify_datagram(net.packet.bytes());
        const auto verdict = net.router.route(net.packet, *what, lan, start);
        CHECK(verdict.action == Action::forward);
        CHECK(verdict.out == (gso_size == 1372 ? peer : lan));
        CHECK((verdict.reason == Drop::too_big) == (gso_size == 1373));
        CHECK((net.packet.offload().gso == Offload::Gso::none) == (gso_size == 1373));
    }
}

TEST_CASE("what Ethernet padded is cut off") {
    Fixture net;
    Bytes padded = udp_datagram(ip("10.1.0.5"), ip("10.2.0.5"), 1);
    const std::size_t size = padded.size();
    padded.resize(46);
    net.route(padded, lan);
    CHECK(net.packet.size() == size);
}

TEST_CASE("offsets may count from an Ethernet header that was pulled") {
    Fixture net;
    const Bytes framed =
        ip_frame(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:05"), ping(ip("10.1.0.5"), ip("10.1.0.1")));
    net.packet = net.pool.take(framed);
    const auto what = classify_frame(net.packet.bytes(), untagged);
    net.packet.pull(14);
    CHECK(net.router.route(net.packet, *what, lan, start).action == Action::forward);
    CHECK(icmp_type_code(net.bytes()) == 0);
}

TEST_CASE("an error's source is a leg's, else another device's, else the dummy address") {
    PacketPool pool(1);
    Router router;
    router.add_port(
        {tun, RouterPort::Kind::device, 1500, {prefix("10.3.0.1/24"), prefix("2001:db8:3::1/64")}});
    const auto source = [&](const Bytes& datagram) -> std::optional<IpAddress> {
        Packet packet = pool.take(datagram);
        const auto verdict = router.route(packet, *classify_datagram(packet.bytes()), tun, start);
        CHECK(verdict.reason == Drop::no_route);
        if (verdict.action == Action::drop) return std::nullopt;
        return classify_datagram(packet.bytes())->flow.source;
    };
    const Bytes lost_v4 = udp_datagram(ip("10.3.0.1"), ip("203.0.113.9"), 10);
    const Bytes lost_v6 = udp_datagram(ip("2001:db8:3::1"), ip("2001:db8:99::1"), 10);
    CHECK(source(lost_v4) == ip("192.0.0.8"));
    CHECK(source(lost_v6) == std::nullopt);
    router.add_port(
        {peer, RouterPort::Kind::device, 1500, {prefix("10.5.0.1/24"), prefix("2001:db8:5::1/64")}});
    CHECK(source(lost_v4) == ip("10.5.0.1"));
    CHECK(source(lost_v6) == ip("2001:db8:5::1"));
    router.add_port({lan,
                     RouterPort::Kind::leg,
                     1500,
                     {prefix("fe80::1/64"), prefix("10.1.0.1/24"), prefix("2001:db8:1::1/64")}});
    CHECK(source(lost_v4) == ip("10.1.0.1"));
    CHECK(source(lost_v6) == ip("2001:db8:1::1"));
}

TEST_CASE("without a way back there is no error, and the reason stays") {
    Fixture net;
    const auto verdict = net.route(udp_datagram(ip("203.0.113.5"), ip("203.0.113.9"), 10), lan);
    CHECK(verdict.action == Action::drop);
    CHECK(verdict.reason == Drop::no_route);
}

TEST_CASE("errors are rate limited, and the reason stays") {
    Fixture net;
    int errors = 0;
    for (int i = 0; i < 1000; ++i) {
        const auto verdict = net.route(udp_datagram(ip("10.1.0.5"), ip("10.2.0.5"), 10, 1), lan, start);
        CHECK(verdict.reason == Drop::ttl_exceeded);
        errors += verdict.action == Action::forward ? 1 : 0;
    }
    CHECK(errors == 50);
    CHECK(net.route(udp_datagram(ip("10.1.0.5"), ip("10.2.0.5"), 10, 1), lan, start + std::chrono::seconds{1})
              .action == Action::forward);
}

TEST_CASE(
    "a datagram whose next hop is silent goes back as host unreachable, but never one of the router's own") {
    Fixture net;
    net.packet = net.pool.take(udp_datagram(ip("10.4.0.5"), ip("10.1.0.77"), 10));
    const auto verdict = net.router.unreachable(net.packet, lan, start);
    CHECK(verdict.action == Action::forward);
    CHECK(verdict.reason == Drop::neighbor_unresolved);
    CHECK(verdict.out == peer);
    CHECK(icmp_type_code(net.bytes()) == 0x0301);
    CHECK(source_of(net.bytes()) == ip("10.3.0.1"));
    CHECK(net.router.unreachable(net.packet, lan, start).action == Action::drop);

    net.packet = net.pool.take(ping(ip("10.1.0.1"), ip("10.1.0.77")));
    CHECK(net.router.unreachable(net.packet, lan, start).action == Action::drop);
    net.packet = net.pool.take(Bytes{0x45});
    CHECK(net.router.unreachable(net.packet, lan, start).reason == Drop::neighbor_unresolved);
}

TEST_CASE("host unreachable comes from an address of the leg that the sender is on") {
    Fixture net;
    net.packet = net.pool.take(udp_datagram(ip("10.1.0.5"), ip("10.2.0.77"), 10));
    const auto verdict = net.router.unreachable(net.packet, dmz, start);
    CHECK(verdict.action == Action::forward);
    CHECK(verdict.out == lan);
    CHECK(source_of(net.bytes()) == ip("10.1.0.1"));
}

TEST_CASE("a removed port takes its routes and addresses along") {
    Fixture net;
    net.router.remove_port(dmz);
    CHECK(net.route(udp_datagram(ip("10.1.0.5"), ip("10.2.0.5"), 10), lan).reason == Drop::no_route);
    CHECK(net.route(ping(ip("10.1.0.5"), ip("10.2.0.1")), lan).reason == Drop::no_route);
    CHECK(net.route(udp_datagram(ip("10.1.0.5"), ip("172.16.0.5"), 10), lan).reason == Drop::no_route);
    net.router.remove_port(peer);
    CHECK(net.router.routes().find(prefix("10.4.0.0/16")) == nullptr);
    net.router.remove_port(PortId{999});
}

TEST_CASE("a port that is added again has only its new addresses") {
    Fixture net;
    net.router.add_port({dmz, RouterPort::Kind::leg, 1500, {prefix("10.9.0.1/24")}});
    CHECK(net.route(udp_datagram(ip("10.1.0.5"), ip("10.2.0.5"), 10), lan).reason == Drop::no_route);
    CHECK(net.route(udp_datagram(ip("10.1.0.5"), ip("10.9.0.5"), 10), lan).out == dmz);
}

TEST_CASE("an explicit route stands before a connected one, which comes back") {
    Fixture net;
    net.router.add_route({.to = prefix("10.2.0.0/24"), .out = peer});
    CHECK(net.route(udp_datagram(ip("10.1.0.5"), ip("10.2.0.5"), 10), lan).out == peer);
    net.router.remove_route(prefix("10.2.0.0/24"));
    CHECK(net.route(udp_datagram(ip("10.1.0.5"), ip("10.2.0.5"), 10), lan).out == dmz);
    CHECK(net.router.routes().find(prefix("10.2.0.0/24"))->origin == Route::Origin::connected);
}

TEST_CASE("two ports on one network: when one leaves, the other serves it") {
    Fixture net;
    net.router.add_port({PortId{9}, RouterPort::Kind::device, 1500, {prefix("10.2.0.2/24")}});
    net.router.remove_port(dmz);
    CHECK(net.route(udp_datagram(ip("10.1.0.5"), ip("10.2.0.5"), 10), lan).out == PortId{9});
}

TEST_CASE("no truncated or mutated datagram harms the router, and what it makes of one is well-formed") {
    const Bytes wholes[] = {
        ping(ip("10.1.0.5"), ip("10.1.0.1"), 20),
        ping(ip("2001:db8:1::5"), ip("2001:db8:1::1"), 20),
        udp_datagram(ip("10.1.0.5"), ip("10.4.0.5"), 20, 1),
        udp_datagram(ip("2001:db8:1::5"), ip("2001:db8:4::5"), 20, 1),
        ipv4(ip("10.1.0.5"), ip("10.4.0.5"), 1, icmp(ip("10.1.0.5"), ip("10.4.0.5"), 3, 4, pattern(32)),
             {.options = {7, 7, 4, 0, 0, 0, 0, 0}}),
    };
    Fixture net;
    Instant now = start;
    const auto try_one = [&](const Bytes& bytes) {
        net.packet = net.pool.take(bytes);
        const auto what = classify_datagram(net.packet.bytes());
        now += std::chrono::milliseconds{10};
        if (!what) {
            CHECK(net.router.unreachable(net.packet, lan, now).action == Action::drop);
            return;
        }
        if (net.router.route(net.packet, *what, lan, now).action == Action::forward) {
            CHECK(classify_datagram(net.packet.bytes()).has_value());
        }
    };
    for (const Bytes& whole : wholes) {
        for (std::size_t size = 0; size < whole.size(); ++size) {
            try_one(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
        }
        for (std::size_t at = 0; at < whole.size(); ++at) {
            for (unsigned value = 0; value < 256; value += at < 60 ? 1 : 51) {
                Bytes mutated = whole;
                mutated[at] = static_cast<std::uint8_t>(value);
                const std::size_t header = (mutated[0] & 15U) * std::size_t{4};
                if (mutated[0] >> 4U == 4 && header >= 20 && header <= mutated.size()) {
                    put16(mutated, 10, 0);
                    put16(mutated, 10, naive_checksum(std::span(mutated).first(header)));
                }
                try_one(mutated);
            }
        }
    }
}
