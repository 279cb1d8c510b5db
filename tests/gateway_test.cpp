#include "vswitch/gateway.h"

#include <algorithm>
#include <optional>

#include <doctest/doctest.h>

#include "tests/support/datagrams.h"

using namespace weft;
using namespace weft::test;
using Action = Gateway::Received::Action;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

const Instant start{std::chrono::hours{1}};
const MacAddress our_mac = mac("02:00:00:00:00:01");
const MacAddress station_mac = mac("02:00:00:00:00:05");
const MacAddress other_mac = mac("02:00:00:00:00:06");
const MacAddress all = mac("ff:ff:ff:ff:ff:ff");

struct Arp {
    unsigned operation = 0;
    MacAddress sender_mac;
    IpAddress sender;
    MacAddress target_mac;
    IpAddress target;
};

Bytes arp_frame(const MacAddress& destination, const Arp& arp) {
    Bytes bytes{0, 1, 8, 0, 6, 4};
    append16(bytes, arp.operation);
    append(bytes, arp.sender_mac.octets);
    append(bytes, arp.sender.bytes());
    append(bytes, arp.target_mac.octets);
    append(bytes, arp.target.bytes());
    return frame(destination, arp.sender_mac, 0x0806, bytes);
}

Bytes arp_request(const MacAddress& sender_mac, const char* sender, const char* target) {
    return arp_frame(all, {1, sender_mac, ip(sender), {}, ip(target)});
}

Bytes arp_reply(const MacAddress& sender_mac, const char* sender, const char* target = "10.1.0.1") {
    return arp_frame(our_mac, {2, sender_mac, ip(sender), our_mac, ip(target)});
}

constexpr unsigned solicited = 0x40000000;
constexpr unsigned overriding = 0x20000000;
constexpr unsigned router_flag = 0x80000000;

struct Discovery {
    std::uint8_t type;
    IpAddress source;
    IpAddress destination;
    IpAddress target;
    unsigned flags = 0;
    std::optional<MacAddress> link_address = std::nullopt;
    std::uint8_t hop_limit = 255;
    Bytes more_options{};  // NOLINT(readability-redundant-member-init)
};

Bytes discovery_frame(const MacAddress& destination, const MacAddress& source, const Discovery& nd) {
    Bytes body;
    append32(body, nd.flags);
    append(body, nd.target.bytes());
    if (nd.link_address) {
        body.push_back(nd.type == 135 ? 1 : 2);
        body.push_back(1);
        append(body, nd.link_address->octets);
    }
    append(body, nd.more_options);
    return ip_frame(
        destination, source,
        ipv6(nd.source, nd.destination, 58, icmp(nd.source, nd.destination, nd.type, 0, body), nd.hop_limit));
}

Bytes advertisement(const MacAddress& station, const char* target, unsigned flags = solicited | overriding) {
    return discovery_frame(our_mac, station,
                           {136, ip(target), ip("2001:db8:1::1"), ip(target), flags, station});
}

class Fixture {
  public:
    explicit Fixture(const Gateway::Limits& limits = {})
        : gateway(our_mac, {prefix("10.1.0.1/24"), prefix("10.9.0.1/24"), prefix("2001:db8:1::1/64")}, limits,
                  &generations, of_leg) {}

    Gateway::Received receive(const Bytes& bytes, Instant now = start) {
        received = pool.take(bytes);
        const auto what = classify_frame(received.bytes(), untagged);
        if (!what) return {Action::drop, what.error()};
        return gateway.receive(received, *what, now, out);
    }

    std::expected<void, Drop> send(const char* next_hop, Instant now = start, std::size_t size = 10) {
        const IpAddress to = ip(next_hop);
        return gateway.send(
            pool.take(udp_datagram(to.is_v6() ? ip("2001:db8:7::7") : ip("10.7.0.7"), to, size)), to, now,
            out);
    }

    // What the gateway sent since the last call.
    std::vector<Bytes> sent() {
        std::vector<Bytes> frames;
        frames.reserve(out.size());
        for (const Packet& packet : out) frames.push_back(bytes_of(packet));
        out.clear();
        return frames;
    }

    [[nodiscard]] std::optional<Gateway::Neighbor> neighbor(const char* address) const {
        for (const auto& entry : gateway.neighbors()) {
            if (entry.address == ip(address)) return entry;
        }
        return std::nullopt;
    }

    [[nodiscard]] Gateway::Neighbor known(const char* address) const {
        const auto entry = neighbor(address);
        REQUIRE(entry.has_value());
        return entry.value_or(Gateway::Neighbor{});
    }

    static Bytes bytes_of(const Packet& packet) { return {packet.bytes().begin(), packet.bytes().end()}; }

    static constexpr Generations::Index of_leg = 7;

    // How often what was known has ceased to hold.
    [[nodiscard]] std::uint32_t given_up() const { return generations.number(of_leg); }

    // As if datagrams went there past the gateway.
    std::vector<Bytes> in_use(const char* address, Instant now) {
        gateway.in_use(ip(address), pool, now, out);
        return sent();
    }

    // Answers what was asked.
    void confirm(const char* address, Instant now = start) {
        REQUIRE(send(address, now).has_value());
        receive(ip(address).is_v6() ? advertisement(station_mac, address) : arp_reply(station_mac, address),
                now);
        sent();
        CHECK(known(address).reachable);
    }

    Generations generations;
    PacketPool pool{512};
    std::vector<Packet> out;
    std::vector<Packet> failed;
    Packet received;
    Gateway gateway;
};

MacAddress destination_of(const Bytes& bytes) {
    MacAddress address;
    std::copy_n(bytes.begin(), 6, address.octets.begin());
    return address;
}

bool is_arp(const Bytes& bytes) {
    return get16(bytes, 12) == 0x0806;
}

}  // namespace

TEST_CASE("the link-local address is the modified EUI-64 of the MAC address") {
    const Fixture net;
    CHECK(net.gateway.link_local() == ip("fe80::ff:fe00:1"));
}

TEST_CASE("an ARP request for one of our addresses is answered and its sender learned") {
    Fixture net;
    for (const char* target : {"10.1.0.1", "10.9.0.1"}) {
        CHECK(net.receive(arp_request(station_mac, "10.1.0.5", target)).action == Action::answer);
        CHECK(Fixture::bytes_of(net.received) ==
              arp_frame(station_mac, {2, our_mac, ip(target), station_mac, ip("10.1.0.5")}));
    }
    REQUIRE(net.neighbor("10.1.0.5").has_value());
    CHECK_FALSE(net.known("10.1.0.5").reachable);
    REQUIRE(net.send("10.1.0.5").has_value());
    const auto frames = net.sent();
    REQUIRE(frames.size() == 2);
    CHECK(frames[0] == arp_frame(station_mac, {1, our_mac, ip("10.1.0.1"), {}, ip("10.1.0.5")}));
    CHECK(destination_of(frames[1]) == station_mac);
}

TEST_CASE("a padded ARP request is answered without the padding") {
    Fixture net;
    Bytes padded = arp_request(station_mac, "10.1.0.5", "10.1.0.1");
    padded.resize(60, 0xEE);
    CHECK(net.receive(padded).action == Action::answer);
    CHECK(net.received.size() == 42);
}

TEST_CASE("an ARP probe is answered, and nobody learned from it") {
    Fixture net;
    CHECK(net.receive(arp_request(station_mac, "0.0.0.0", "10.1.0.1")).action == Action::answer);
    CHECK(net.gateway.neighbors().empty());
}

TEST_CASE("ARP that is not for us makes no entry") {
    Fixture net;
    CHECK(net.receive(arp_request(station_mac, "10.1.0.5", "10.1.0.6")).action == Action::consumed);
    CHECK(net.receive(arp_request(station_mac, "10.1.0.5", "10.1.0.5")).action == Action::consumed);
    CHECK(net.receive(arp_reply(station_mac, "10.1.0.5")).action == Action::consumed);
    CHECK(net.receive(arp_request(station_mac, "172.16.0.5", "10.1.0.1")).action == Action::answer);
    CHECK(net.receive(arp_request(station_mac, "10.1.0.1", "10.1.0.1")).action == Action::consumed);
    CHECK(net.gateway.neighbors().empty());
}

TEST_CASE("malformed ARP is dropped") {
    Fixture net;
    for (const std::size_t at : {14U, 15U, 16U, 18U, 19U, 20U, 21U, 22U}) {
        Bytes bytes = arp_request(station_mac, "10.1.0.5", "10.1.0.1");
        bytes[at] ^= 0x11;
        CAPTURE(at);
        CHECK(net.receive(bytes).action == Action::drop);
    }
    const Bytes whole = arp_request(station_mac, "10.1.0.5", "10.1.0.1");
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CHECK(net.receive(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))).action ==
              Action::drop);
    }
}

TEST_CASE("datagrams wait for the ARP reply and leave in order") {
    Fixture net;
    for (std::size_t size = 1; size <= 4; ++size) REQUIRE(net.send("10.1.0.5", start, size).has_value());
    auto frames = net.sent();
    REQUIRE(frames.size() == 1);
    CHECK(frames[0] == arp_frame(all, {1, our_mac, ip("10.1.0.1"), {}, ip("10.1.0.5")}));

    CHECK(net.receive(arp_reply(station_mac, "10.1.0.5")).action == Action::consumed);
    frames = net.sent();
    REQUIRE(frames.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(frames[i] ==
              ip_frame(station_mac, our_mac, udp_datagram(ip("10.7.0.7"), ip("10.1.0.5"), i + 1)));
    }
    CHECK(net.known("10.1.0.5").reachable);
    REQUIRE(net.send("10.1.0.5").has_value());
    CHECK(net.sent().size() == 1);
}

TEST_CASE("a request is sent from the network of the next hop") {
    Fixture net;
    REQUIRE(net.send("10.9.0.5").has_value());
    REQUIRE(net.send("10.77.0.5").has_value());
    const auto frames = net.sent();
    CHECK(frames[0] == arp_frame(all, {1, our_mac, ip("10.9.0.1"), {}, ip("10.9.0.5")}));
    CHECK(frames[1] == arp_frame(all, {1, our_mac, ip("10.1.0.1"), {}, ip("10.77.0.5")}));
    Fixture only_v6;
    only_v6.gateway = Gateway(our_mac, {prefix("2001:db8:1::1/64")}, {});
    CHECK(only_v6.send("10.1.0.5").error() == Drop::neighbor_unresolved);
}

TEST_CASE("an unanswered request is repeated twice, then what waits has failed") {
    for (const char* address : {"10.1.0.5", "2001:db8:1::5"}) {
        Fixture net;
        REQUIRE(net.send(address).has_value());
        int requests = static_cast<int>(net.sent().size());
        for (int elapsed = 100; elapsed < 3000; elapsed += 100) {
            net.gateway.tick(start + milliseconds{elapsed}, net.out, net.failed);
            requests += static_cast<int>(net.sent().size());
            CHECK(requests == 1 + elapsed / 1000);
        }
        CHECK(net.failed.empty());
        net.gateway.tick(start + seconds{3}, net.out, net.failed);
        CHECK(net.out.empty());
        REQUIRE(net.failed.size() == 1);
        CHECK((net.failed[0].data()[0] >> 4U == 6) == ip(address).is_v6());
        CHECK(net.gateway.neighbors().empty());
    }
}

TEST_CASE("waiting rooms are bounded, for each neighbor and together") {
    Fixture net({.parked_per_neighbor = 2, .parked = 3});
    CHECK(net.send("10.1.0.5").has_value());
    CHECK(net.send("10.1.0.5").has_value());
    CHECK(net.send("10.1.0.5").error() == Drop::neighbor_queue_full);
    CHECK(net.send("10.1.0.6").has_value());
    CHECK(net.send("10.1.0.7").error() == Drop::neighbor_queue_full);
    CHECK(net.sent().size() == 3);  // asked for all the same
    net.receive(arp_reply(other_mac, "10.1.0.7"));
    CHECK(net.send("10.1.0.7").has_value());
    CHECK(net.sent().size() == 1);
    net.receive(arp_reply(station_mac, "10.1.0.5"));
    CHECK(net.sent().size() == 2);
    CHECK(net.send("10.1.0.8").has_value());
}

TEST_CASE("an old entry is used on while it is probed, and confirmed by the answer") {
    for (const char* address : {"10.1.0.5", "2001:db8:1::5"}) {
        const bool is_v6 = ip(address).is_v6();
        Fixture net;
        REQUIRE(net.send(address).has_value());
        net.receive(is_v6 ? advertisement(station_mac, address) : arp_reply(station_mac, address));
        net.sent();
        const Instant later = start + seconds{31};
        REQUIRE(net.send(address, later).has_value());
        REQUIRE(net.send(address, later).has_value());
        auto frames = net.sent();
        REQUIRE(frames.size() == 3);  // one probe, two datagrams
        CHECK(std::ranges::all_of(frames,
                                  [](const Bytes& bytes) { return destination_of(bytes) == station_mac; }));
        CHECK_FALSE(net.known(address).reachable);
        net.receive(is_v6 ? advertisement(station_mac, address) : arp_reply(station_mac, address), later);
        CHECK(net.known(address).reachable);
        REQUIRE(net.send(address, later).has_value());
        CHECK(net.sent().size() == 1);
    }
}

TEST_CASE("an old entry whose probes stay unanswered is asked for anew") {
    Fixture net;
    REQUIRE(net.send("10.1.0.5").has_value());
    net.receive(arp_reply(station_mac, "10.1.0.5"));
    net.sent();
    for (int i = 0; i < 3; ++i) {
        REQUIRE(net.send("10.1.0.5", start + seconds{40 + i}).has_value());
        CHECK(net.sent().size() == 2);
    }
    REQUIRE(net.send("10.1.0.5", start + seconds{43}).has_value());
    const auto frames = net.sent();
    REQUIRE(frames.size() == 1);
    CHECK(destination_of(frames[0]) == all);
    net.gateway.tick(start + seconds{44}, net.out, net.failed);
    net.gateway.tick(start + seconds{45}, net.out, net.failed);
    net.gateway.tick(start + seconds{46}, net.out, net.failed);
    CHECK(net.failed.size() == 1);
}

TEST_CASE("a station that moved tells so by gratuitous ARP, and is believed after a probe") {
    Fixture net;
    REQUIRE(net.send("10.1.0.5").has_value());
    net.receive(arp_reply(station_mac, "10.1.0.5"));
    net.sent();
    CHECK(net.receive(arp_request(other_mac, "10.1.0.5", "10.1.0.5")).action == Action::consumed);
    CHECK(net.known("10.1.0.5").mac == other_mac);
    CHECK_FALSE(net.known("10.1.0.5").reachable);
    REQUIRE(net.send("10.1.0.5").has_value());
    const auto frames = net.sent();
    REQUIRE(frames.size() == 2);
    CHECK(is_arp(frames[0]));
    CHECK(destination_of(frames[0]) == other_mac);
}

TEST_CASE("a neighbor solicitation for one of our addresses is answered") {
    Fixture net;
    for (const char* target : {"2001:db8:1::1", "fe80::ff:fe00:1"}) {
        for (const bool multicast : {true, false}) {
            const IpAddress group = ip("ff02::1:ff00:1");
            const MacAddress group_mac = mac("33:33:ff:00:00:01");
            const Bytes asked = discovery_frame(
                multicast ? group_mac : our_mac, station_mac,
                {135, ip("fe80::5"), multicast ? group : ip(target), ip(target), 0, station_mac});
            CHECK(net.receive(asked).action == Action::answer);
            CHECK(Fixture::bytes_of(net.received) ==
                  discovery_frame(station_mac, our_mac,
                                  {136, ip(target), ip("fe80::5"), ip(target),
                                   router_flag | solicited | overriding, our_mac}));
        }
    }
    REQUIRE(net.neighbor("fe80::5").has_value());
    CHECK(net.known("fe80::5").mac == station_mac);
}

TEST_CASE("a probe for duplicates of our address is answered to all nodes") {
    Fixture net;
    const Bytes probe = discovery_frame(mac("33:33:ff:00:00:01"), station_mac,
                                        {135, ip("::"), ip("ff02::1:ff00:1"), ip("2001:db8:1::1")});
    CHECK(net.receive(probe).action == Action::answer);
    CHECK(Fixture::bytes_of(net.received) ==
          discovery_frame(mac("33:33:00:00:00:01"), our_mac,
                          {136, ip("2001:db8:1::1"), ip("ff02::1"), ip("2001:db8:1::1"),
                           router_flag | overriding, our_mac}));
    CHECK(net.gateway.neighbors().empty());
}

TEST_CASE("neighbor discovery that breaks the rules is dropped, and what is for others consumed") {
    const MacAddress group_mac = mac("33:33:ff:00:00:01");
    const IpAddress group = ip("ff02::1:ff00:1");
    const IpAddress ours = ip("2001:db8:1::1");
    const IpAddress station = ip("2001:db8:1::5");

    struct {
        const char* what = nullptr;
        Discovery nd;
        Action action = Action::drop;
    } const rows[] = {
        {"crossed a router", {135, station, group, ours, 0, station_mac, 254}, Action::drop},
        {"target is a group", {135, station, group, ip("ff02::1"), 0, station_mac}, Action::drop},
        {"probe to a unicast address", {135, ip("::"), ours, ours}, Action::drop},
        {"probe with a link-layer address", {135, ip("::"), group, ours, 0, station_mac}, Action::drop},
        {"option of length zero",
         {135, station, group, ours, 0, station_mac, 255, {14, 0, 0, 0, 0, 0, 0, 0}},
         Action::drop},
        {"option that is too long",
         {135, station, group, ours, 0, station_mac, 255, {14, 2, 0, 0, 0, 0, 0, 0}},
         Action::drop},
        {"half an option", {135, station, group, ours, 0, station_mac, 255, {14}}, Action::drop},
        {"link-layer address is a group", {135, station, group, ours, 0, broadcast_mac}, Action::drop},
        {"solicited advertisement to a group",
         {136, station, ip("ff02::1"), station, solicited, station_mac},
         Action::drop},
        {"unknown option",
         {135, station, group, ours, 0, station_mac, 255, {14, 1, 0, 0, 0, 0, 0, 0}},
         Action::answer},
        {"no link-layer address", {135, station, group, ours}, Action::answer},
        {"for another station", {135, station, group, ip("2001:db8:1::6"), 0, station_mac}, Action::consumed},
        {"advertisement of a stranger",
         {136, station, ip("ff02::1"), station, overriding, station_mac},
         Action::consumed},
        {"router solicitation", {133, station, ip("ff02::2"), station}, Action::consumed},
        {"router advertisement", {134, ip("fe80::9"), ip("ff02::1"), station}, Action::consumed},
    };

    for (const auto& row : rows) {
        CAPTURE(row.what);
        Fixture net;
        CHECK(net.receive(discovery_frame(group_mac, station_mac, row.nd)).action == row.action);
        if (row.action != Action::answer) CHECK(net.gateway.neighbors().empty());
    }
    Fixture net;
    Bytes damaged = discovery_frame(group_mac, station_mac, {135, station, group, ours, 0, station_mac});
    damaged.back() ^= 1;
    CHECK(net.receive(damaged).reason == Drop::bad_checksum);
}

TEST_CASE("datagrams wait for the neighbor advertisement") {
    Fixture net;
    REQUIRE(net.send("2001:db8:1::a:5").has_value());
    REQUIRE(net.send("fe80::5").has_value());
    auto frames = net.sent();
    REQUIRE(frames.size() == 2);
    CHECK(frames[0] == discovery_frame(mac("33:33:ff:0a:00:05"), our_mac,
                                       {135, ip("2001:db8:1::1"), ip("ff02::1:ff0a:5"), ip("2001:db8:1::a:5"),
                                        0, our_mac}));
    CHECK(frames[1] ==
          discovery_frame(mac("33:33:ff:00:00:05"), our_mac,
                          {135, ip("fe80::ff:fe00:1"), ip("ff02::1:ff00:5"), ip("fe80::5"), 0, our_mac}));
    CHECK(net.receive(advertisement(station_mac, "2001:db8:1::a:5")).action == Action::consumed);
    frames = net.sent();
    REQUIRE(frames.size() == 1);
    CHECK(destination_of(frames[0]) == station_mac);
    CHECK(get16(frames[0], 12) == 0x86DD);
    CHECK(net.known("2001:db8:1::a:5").reachable);
    CHECK_FALSE(net.known("fe80::5").reachable);
}

TEST_CASE("an advertisement changes what is known as RFC 4861 says") {
    struct {
        const char* what = nullptr;
        unsigned flags = 0;
        std::optional<MacAddress> link_address;
        MacAddress mac;
        bool reachable = false;
    } const rows[] = {
        {"the same again", 0, station_mac, station_mac, true},
        {"another, overriding, solicited", solicited | overriding, other_mac, other_mac, true},
        {"another, overriding, unsolicited", overriding, other_mac, other_mac, false},
        {"another, not overriding", solicited, other_mac, station_mac, false},
        {"confirmation without link-layer address", solicited, std::nullopt, station_mac, true},
    };

    for (const auto& row : rows) {
        CAPTURE(row.what);
        Fixture net;
        REQUIRE(net.send("2001:db8:1::5").has_value());
        net.receive(advertisement(station_mac, "2001:db8:1::5"));
        net.receive(discovery_frame(our_mac, station_mac,
                                    {136, ip("2001:db8:1::5"), ip("2001:db8:1::1"), ip("2001:db8:1::5"),
                                     row.flags, row.link_address}));
        CHECK(net.known("2001:db8:1::5").mac == row.mac);
        CHECK(net.known("2001:db8:1::5").reachable == row.reachable);
    }
}

TEST_CASE("only IP to our own MAC address is routed") {
    const Bytes v4 = udp_datagram(ip("10.1.0.5"), ip("10.7.0.7"), 10);
    const Bytes v6 = udp_datagram(ip("2001:db8:1::5"), ip("2001:db8:7::7"), 10);
    Fixture net;
    CHECK(net.receive(ip_frame(our_mac, station_mac, v4)).action == Action::route);
    CHECK(Fixture::bytes_of(net.received) == v4);
    CHECK(net.receive(ip_frame(our_mac, station_mac, v6)).action == Action::route);
    CHECK(Fixture::bytes_of(net.received) == v6);
    CHECK(net.receive(ip_frame(all, station_mac, v4)).action == Action::consumed);
    CHECK(net.receive(ip_frame(other_mac, station_mac, v4)).action == Action::consumed);
    CHECK(net.receive(frame(our_mac, station_mac, 0x88CC, v4)).reason == Drop::unknown_protocol);
    CHECK(net.receive(frame(our_mac, station_mac, 0x0800, Bytes{0x45, 0})).reason == Drop::malformed);
    // Neighbor discovery between two others that happens to be routed by us.
    CHECK(net.receive(discovery_frame(our_mac, station_mac,
                                      {135, ip("2001:db8:1::5"), ip("2001:db8:7::7"), ip("2001:db8:7::7")}))
              .action == Action::route);
}

TEST_CASE("a scan of the network does not push out who is known") {
    Fixture net({.neighbors = 64, .parked = 16});
    REQUIRE(net.send("10.1.0.5").has_value());
    net.receive(arp_reply(station_mac, "10.1.0.5"));
    net.receive(arp_request(other_mac, "10.1.0.6", "10.1.0.1"));
    for (unsigned i = 0; i < 4096; ++i) {
        const IpAddress target =
            IpAddress::v4({10, 77, static_cast<std::uint8_t>(i >> 8U), static_cast<std::uint8_t>(i)});
        std::ignore =
            net.gateway.send(net.pool.take(udp_datagram(ip("10.7.0.7"), target, 10)), target, start, net.out);
        net.out.clear();
    }
    CHECK(net.known("10.1.0.5").reachable);
    CHECK(net.neighbor("10.1.0.6").has_value());
    CHECK(net.gateway.neighbors().size() == 64);
    for (int i = 1; i <= 4; ++i) net.gateway.tick(start + seconds{i}, net.out, net.failed);
    CHECK(net.gateway.neighbors().size() == 2);
    CHECK(net.failed.size() == 16);
}

TEST_CASE("forged requests do not push out who has answered, and every operation survives a full table") {
    Fixture net({.neighbors = 16, .parked = 4});
    for (unsigned i = 10; i < 18; ++i) {
        const IpAddress station = IpAddress::v4({10, 1, 0, static_cast<std::uint8_t>(i)});
        std::ignore = net.gateway.send(net.pool.take(udp_datagram(ip("10.7.0.7"), station, 1)), station,
                                       start, net.out);
        net.receive(arp_frame(our_mac, {2, station_mac, station, our_mac, ip("10.1.0.1")}));
        net.out.clear();
    }
    for (unsigned i = 20; i < 250; ++i) {
        net.receive(arp_frame(
            all,
            {1, other_mac, IpAddress::v4({10, 1, 0, static_cast<std::uint8_t>(i)}), {}, ip("10.1.0.1")}));
    }
    CHECK(net.gateway.neighbors().size() == 16);
    CHECK(std::ranges::count_if(net.gateway.neighbors(), [](const auto& entry) { return entry.reachable; }) ==
          8);
    CHECK(net.send("10.1.0.251").has_value());
}

TEST_CASE("when all are reachable a new neighbor has no room") {
    Fixture net({.neighbors = 2});
    for (const char* address : {"10.1.0.5", "10.1.0.6"}) {
        REQUIRE(net.send(address).has_value());
        net.receive(arp_reply(station_mac, address));
    }
    CHECK(net.send("10.1.0.7").error() == Drop::neighbor_queue_full);
    CHECK(net.send("10.1.0.7", start + seconds{31}).has_value());
}

TEST_CASE("a frame that leaves has no VLAN") {
    Fixture net;
    net.receive(arp_request(station_mac, "10.1.0.5", "10.1.0.1"));
    Packet packet = net.pool.take(udp_datagram(ip("10.7.0.7"), ip("10.1.0.5"), 1));
    packet.vlan_tci() = 9;
    REQUIRE(net.gateway.send(std::move(packet), ip("10.1.0.5"), start, net.out).has_value());
    CHECK(net.out.back().vlan() == untagged);
}

TEST_CASE("no truncated or mutated frame harms the gateway") {
    const Bytes wholes[] = {
        arp_request(station_mac, "10.1.0.5", "10.1.0.1"),
        arp_reply(station_mac, "10.1.0.5"),
        advertisement(station_mac, "2001:db8:1::5"),
        discovery_frame(mac("33:33:ff:00:00:01"), station_mac,
                        {135,
                         ip("fe80::5"),
                         ip("ff02::1:ff00:1"),
                         ip("2001:db8:1::1"),
                         0,
                         station_mac,
                         255,
                         {14, 1, 0, 0, 0, 0, 0, 0}}),
        ip_frame(our_mac, station_mac, ping(ip("10.1.0.5"), ip("10.1.0.1"), 4)),
    };
    Fixture net({.neighbors = 8});
    for (const Bytes& whole : wholes) {
        for (std::size_t size = 0; size <= whole.size(); ++size) {
            net.receive(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
            net.out.clear();
        }
        for (std::size_t at = 0; at < whole.size(); ++at) {
            for (unsigned value = 0; value < 256; ++value) {
                Bytes mutated = whole;
                mutated[at] = static_cast<std::uint8_t>(value);
                // Half of them with a checksum that lets them through to what lies behind.
                if (mutated.size() > 78 && get16(mutated, 12) == 0x86DD && value % 2 == 0) {
                    put16(mutated, 56, 0);
                    Bytes addresses(mutated.begin() + 22, mutated.begin() + 54);
                    append32(addresses, static_cast<std::uint32_t>(mutated.size() - 54));
                    append32(addresses, 58);
                    append(addresses, std::span(mutated).subspan(54));
                    put16(mutated, 56, naive_checksum(addresses));
                }
                net.receive(mutated);
                net.out.clear();
            }
        }
        REQUIRE((net.send("10.1.0.5").has_value() || net.gateway.neighbors().size() == 8));
        net.gateway.tick(start + seconds{10}, net.out, net.failed);
    }
    CHECK(net.gateway.neighbors().size() <= 8);
}

TEST_CASE("an answer that nobody waits for here is news for other workers, whose datagrams then go") {
    Fixture asked;
    Fixture heard;
    REQUIRE(asked.send("10.1.0.5").has_value());
    asked.sent();
    CHECK_FALSE(asked.gateway.take_news());
    CHECK(heard.receive(arp_reply(station_mac, "10.1.0.5")).action == Action::consumed);
    const auto news = heard.gateway.take_news();
    REQUIRE(news);
    CHECK_FALSE(heard.gateway.take_news());
    CHECK(heard.gateway.neighbors().empty());

    asked.gateway.learn(*news, start, asked.out);
    const auto frames = asked.sent();
    REQUIRE(frames.size() == 1);
    CHECK(destination_of(frames[0]) == station_mac);
    CHECK(asked.known("10.1.0.5").reachable);
    heard.gateway.learn(*news, start, heard.out);
    CHECK(heard.gateway.neighbors().empty());
}

TEST_CASE("a question is no news, an announcement is, and counts as unconfirmed") {
    Fixture net;
    net.receive(arp_request(station_mac, "10.1.0.5", "10.1.0.1"));
    CHECK_FALSE(net.gateway.take_news());
    net.receive(arp_request(other_mac, "10.1.0.5", "10.1.0.5"));
    const auto news = net.gateway.take_news();
    REQUIRE(news);
    CHECK(news->mac == other_mac);
    CHECK_FALSE(news->confirmed);

    Fixture other;
    other.receive(arp_request(station_mac, "10.1.0.5", "10.1.0.1"));
    other.gateway.learn(*news, start, other.out);
    CHECK(other.known("10.1.0.5").mac == other_mac);
    CHECK_FALSE(other.known("10.1.0.5").reachable);
}

TEST_CASE("an IPv6 advertisement is news if it would change a neighbor's address") {
    Fixture net;
    const auto advertise = [&](unsigned flags) {
        net.receive(discovery_frame(our_mac, station_mac,
                                    {.type = 136,
                                     .source = ip("fe80::5"),
                                     .destination = net.gateway.link_local(),
                                     .target = ip("fe80::5"),
                                     .flags = flags,
                                     .link_address = station_mac}));
        return net.gateway.take_news();
    };
    const auto news = advertise(solicited | overriding);
    REQUIRE(news);
    CHECK(news->address == ip("fe80::5"));
    CHECK(news->confirmed);
    CHECK(advertise(overriding).has_value());
    CHECK_FALSE(advertise(0).has_value());
}

TEST_CASE("an old neighbor that is in use past the gateway is asked, and believed while it answers") {
    for (const char* address : {"10.1.0.5", "2001:db8:1::5"}) {
        Fixture net;
        net.confirm(address);
        CHECK(net.in_use(address, start + seconds{30}).empty());
        Instant now = start;
        for (int i = 0; i < 10; ++i) {
            now += seconds{31};
            const auto asked = net.in_use(address, now);
            REQUIRE(asked.size() == 1);
            CHECK(destination_of(asked[0]) == station_mac);
            CHECK(is_arp(asked[0]) == ip(address).is_v4());
            CHECK(net.in_use(address, now + milliseconds{999}).empty());
            net.receive(
                ip(address).is_v6() ? advertisement(station_mac, address) : arp_reply(station_mac, address),
                now);
            CHECK(net.known(address).reachable);
        }
        CHECK(net.given_up() == 0);
    }
}

TEST_CASE("a neighbor in use that leaves three questions unanswered is given up, which is told once") {
    Fixture net;
    net.confirm("10.1.0.5");
    for (int i = 0; i < 3; ++i) CHECK(net.in_use("10.1.0.5", start + seconds{31 + i}).size() == 1);
    CHECK(net.given_up() == 0);
    CHECK(net.known("10.1.0.5").mac == station_mac);
    CHECK(net.in_use("10.1.0.5", start + seconds{34}).empty());
    CHECK(net.given_up() == 1);
    CHECK(net.in_use("10.1.0.5", start + seconds{35}).empty());
    net.gateway.tick(start + seconds{36}, net.out, net.failed);
    CHECK_FALSE(net.neighbor("10.1.0.5"));
    CHECK(net.given_up() == 1);
}

TEST_CASE("nobody is asked in whose place nothing is known, or without a buffer") {
    Fixture net;
    CHECK(net.in_use("10.1.0.5", start).empty());
    CHECK_FALSE(net.neighbor("10.1.0.5"));
    REQUIRE(net.send("10.1.0.5").has_value());
    CHECK(net.sent().size() == 1);
    CHECK(net.in_use("10.1.0.5", start + seconds{2}).empty());  // what waits is asked for by tick()
    net.receive(arp_reply(station_mac, "10.1.0.5"));
    net.sent();
    std::vector<Packet> taken;
    while (Packet packet = net.pool.take()) taken.push_back(std::move(packet));
    CHECK(net.in_use("10.1.0.5", start + seconds{40}).empty());
    taken.clear();
    CHECK(net.in_use("10.1.0.5", start + seconds{40}).size() == 1);
}

TEST_CASE("it is told when an address that was known does not hold any more, and only then") {
    Fixture net;
    CHECK(net.receive(arp_request(station_mac, "10.1.0.5", "10.1.0.1")).action == Action::answer);
    net.confirm("10.1.0.5");
    net.confirm("10.1.0.5", start + seconds{40});
    net.confirm("2001:db8:1::5", start + seconds{40});
    net.receive(arp_request(station_mac, "10.1.0.5", "10.1.0.5"), start + seconds{40});
    net.receive(arp_request(station_mac, "10.1.0.6", "10.1.0.1"), start + seconds{40});
    CHECK(net.given_up() == 0);
    SUBCASE("another ARP address") {
        net.receive(arp_request(other_mac, "10.1.0.5", "10.1.0.5"), start + seconds{40});
        CHECK(net.given_up() == 1);
    }
    SUBCASE("another ARP address, from another worker") {
        net.gateway.learn({ip("10.1.0.5"), other_mac, true}, start + seconds{40}, net.out);
        CHECK(net.given_up() == 1);
    }
    SUBCASE("another address of one that was only learned") {
        net.receive(arp_request(other_mac, "10.1.0.6", "10.1.0.1"), start + seconds{40});
        CHECK(net.given_up() == 1);
    }
    SUBCASE("another IPv6 address") {
        net.receive(advertisement(other_mac, "2001:db8:1::5", overriding), start + seconds{40});
        CHECK(net.given_up() == 1);
        net.receive(advertisement(station_mac, "2001:db8:1::5", 0), start + seconds{40});
        CHECK(net.given_up() == 1);
    }
    SUBCASE("one that is sent to and does not answer") {
        for (int i = 0; i < 4; ++i) REQUIRE(net.send("10.1.0.6", start + seconds{50 + i}).has_value());
        CHECK(net.given_up() == 1);
        net.receive(arp_reply(other_mac, "10.1.0.6"), start + seconds{54});
        CHECK(net.given_up() == 1);
    }
}

TEST_CASE("it is told when a neighbor that is known loses its place to another") {
    Fixture net({.neighbors = 2});
    net.receive(arp_request(station_mac, "10.1.0.5", "10.1.0.1"));
    net.confirm("10.1.0.6");
    CHECK(net.given_up() == 0);
    net.receive(arp_request(station_mac, "10.1.0.7", "10.1.0.1"));
    CHECK_FALSE(net.neighbor("10.1.0.5"));
    CHECK(net.given_up() == 1);
    REQUIRE(net.send("10.1.0.8").has_value());
    CHECK_FALSE(net.neighbor("10.1.0.7"));
    CHECK(net.given_up() == 2);
    net.out.clear();
}
