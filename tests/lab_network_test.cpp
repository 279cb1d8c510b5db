// Links, switches and routers of a lab, in virtual time: a test sends by ends of links, and takes what
// arrives.
#include <algorithm>
#include <chrono>
#include <tuple>

#include <doctest/doctest.h>

#include "lab/agenda.h"
#include "lab/network.h"
#include "tests/support/lab_builder.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;
using lab::EndId;

namespace {

constexpr Instant start{1000s};

struct Arrival {
    EndId end;
    Bytes bytes;
    Instant at;
};

struct Running {
    explicit Running(const lab::Topology& topology, std::size_t packets = 1024)
        : pool(packets), network(topology, pool, start, [this](EndId end, auto& frames, Instant at) {
              for (Packet& frame : frames) {
                  arrivals.push_back({end, {frame.bytes().begin(), frame.bytes().end()}, at});
                  if (answer) answer(end, frame);
              }
          }) {}

    void send(EndId from, std::span<const std::uint8_t> bytes, Instant at) {
        std::vector<Packet> frames;
        frames.push_back(pool.take(bytes));
        network.send(from, frames, at);
    }

    std::vector<Arrival> taken() { return std::exchange(arrivals, {}); }

    std::vector<Arrival> arrivals;
    std::function<void(EndId, Packet&)> answer;
    PacketPool pool;
    lab::Network network;
};

Bytes frame_between(const MacAddress& to, const MacAddress& from) {
    return PacketBuilder()
        .ethernet(to, from)
        .ip(ip("10.0.0.1"), ip("10.0.0.2"))
        .udp(1000, 2000)
        .payload(40)
        .build();
}

std::vector<EndId> ends(const std::vector<Arrival>& arrivals) {
    std::vector<EndId> all;
    all.reserve(arrivals.size());
    for (const Arrival& arrival : arrivals) all.push_back(arrival.end);
    std::ranges::sort(all);
    return all;
}

Bytes raw_frame(std::string_view destination, std::uint16_t type, std::size_t size) {
    return PacketBuilder()
        .ethernet(mac(destination), mac("02:00:00:00:00:01"), type)
        .payload(size - sizeof(EthernetHeader))
        .build();
}

}  // namespace

TEST_CASE("a link between two hosts passes every frame untouched") {
    LabBuilder lab;
    const auto a = lab.host("a");
    const auto b = lab.host("b");
    lab.link(a, b, {.mtu = 9216}, {.mtu = 9216});
    lab.link(a, b, {.mtu = 9216}, {.mtu = 9216}, LabBuilder::delayed(1ms));
    Running running(lab.topology);

    const std::vector<Bytes> frames{
        raw_frame("01:80:c2:00:00:0e", 0x88CC, 200),   // LLDP
        raw_frame("01:80:c2:00:00:02", 0x8809, 124),   // LACP
        raw_frame("01:80:c2:00:00:00", 0x0026, 52),    // STP, with a length
        raw_frame("01:80:c2:00:00:0e", 0x88F7, 68),    // PTP
        raw_frame("02:00:00:00:00:02", 0x88E5, 1500),  // MACsec
        raw_frame("01:80:c2:00:00:01", 0x8808, 60),    // PAUSE
        raw_frame("02:00:00:00:00:02", 0x0800, 9216 + 14),
        raw_frame("02:00:00:00:00:02", 0x8100, 64),  // a tag of any content
        raw_frame("02:00:00:00:00:02", 0x88A8, 9216 + 22),
        PacketBuilder()
            .ethernet(broadcast_mac, mac("02:00:00:00:00:01"))
            .vlan(VlanId{4094}, 7)
            .ip(ip("10.0.0.1"), ip("10.0.0.2"))
            .udp(1, 2)
            .payload(9000)
            .build(),
        Bytes(14, 0),
        Bytes(1, 0xFF),
    };
    for (const lab::LinkIndex link : {0U, 1U}) {
        const Instant now = start + link * 1s;
        for (const Bytes& frame : frames) running.send({link, 0}, frame, now);
        running.network.advance(now + 1ms);
        const auto arrived = running.taken();
        REQUIRE(arrived.size() == frames.size());
        for (std::size_t i = 0; i < frames.size(); ++i) {
            CHECK(arrived[i].bytes == frames[i]);
            CHECK(arrived[i].end == EndId{link, 1});
        }
    }
}

TEST_CASE("a switch floods what it does not know, and forwards what it has learned") {
    LabBuilder lab;
    const auto s = lab.add_switch("s");
    for (const auto* name : {"a", "b", "c"}) lab.link(lab.host(name), s);
    Running running(lab.topology);
    const MacAddress a = LabBuilder::mac_of(0, 0);
    const MacAddress b = LabBuilder::mac_of(1, 0);

    running.send({0, 0}, frame_between(b, a), start);
    CHECK(ends(running.taken()) == std::vector<EndId>{{1, 0}, {2, 0}});
    running.send({1, 0}, frame_between(a, b), start + 1s);
    CHECK(ends(running.taken()) == std::vector<EndId>{{0, 0}});
}

TEST_CASE("a switch's access ports are in their VLANs, and its trunk carries the tags") {
    LabBuilder lab;
    const auto left = lab.add_switch("left");
    const auto right = lab.add_switch("right");
    lab.link(lab.host("a"), left, {}, {.vlan = VlanId{10}});
    lab.link(lab.host("b"), left, {}, {.vlan = VlanId{20}});
    const auto trunk = lab.link(left, right, {.trunk = {VlanId{10}, VlanId{20}}}, {.trunk = {VlanId{10}}});
    lab.link(lab.host("c"), right, {}, {.vlan = VlanId{10}});
    lab.link(lab.host("d"), right, {}, {.vlan = VlanId{20}});
    Running running(lab.topology);
    Bytes on_trunk;
    running.network.watch([&](const lab::Network::Sighting& seen) {
        if (seen.link == trunk && seen.arrived) on_trunk.assign(seen.frame.begin(), seen.frame.end());
    });

    const Bytes sent = frame_between(broadcast_mac, LabBuilder::mac_of(0, 0));
    running.send({0, 0}, sent, start);
    const auto arrived = running.taken();
    REQUIRE(ends(arrived) == std::vector<EndId>{{3, 0}});
    CHECK(arrived[0].bytes == sent);
    REQUIRE(on_trunk.size() == sent.size() + 4);
    CHECK(on_trunk[12] == 0x81);
    CHECK(on_trunk[15] == 10);

    running.send({1, 0}, frame_between(broadcast_mac, LabBuilder::mac_of(1, 0)), start);
    CHECK(running.taken().empty());
}

TEST_CASE("a router asks for its neighbor, and forwards between its interfaces") {
    LabBuilder lab;
    const auto r = lab.router("r");
    lab.link(lab.host("a"), r, {}, {.addresses = {"10.1.0.1/24"}});
    lab.link(lab.host("b"), r, {}, {.addresses = {"10.2.0.1/24", "2001:db8:2::1/64"}});
    lab.topology.nodes[r].kind =
        lab::Router{.routes = {{.to = prefix("10.9.0.0/16"), .via = ip("10.2.0.2"), .peer = {}, .port = {}}}};
    Running running(lab.topology);
    const MacAddress a = LabBuilder::mac_of(0, 0);
    const MacAddress b = LabBuilder::mac_of(1, 0);

    for (const auto* destination : {"10.2.0.2", "10.9.1.1"}) {
        const Bytes datagram = PacketBuilder()
                                   .ethernet(LabBuilder::mac_of(0, 1), a)
                                   .ip(ip("10.1.0.2"), ip(destination))
                                   .ttl(10)
                                   .udp(1, 2)
                                   .payload(8)
                                   .build();
        running.send({0, 0}, datagram, start);
        auto arrived = running.taken();
        REQUIRE(arrived.size() == 1);
        CHECK(arrived[0].end == EndId{1, 0});
        if (arrived[0].bytes[13] == 0x06) {
            running.send({1, 0},
                         PacketBuilder()
                             .ethernet(LabBuilder::mac_of(1, 1), b)
                             .arp_reply(b, ip("10.2.0.2"), LabBuilder::mac_of(1, 1), ip("10.2.0.1"))
                             .build(),
                         start);
            arrived = running.taken();
            REQUIRE(arrived.size() == 1);
        }
        CHECK(arrived[0].bytes == PacketBuilder()
                                      .ethernet(b, LabBuilder::mac_of(1, 1))
                                      .ip(ip("10.1.0.2"), ip(destination))
                                      .ttl(9)
                                      .udp(1, 2)
                                      .payload(8)
                                      .build());
    }
    CHECK(running.network.snapshot(r, start).neighbors.size() == 1);
}

TEST_CASE("a router repeats a request that nobody answers, and says so to the sender") {
    LabBuilder lab;
    const auto r = lab.router("r");
    lab.link(lab.host("a"), r, {}, {.addresses = {"10.1.0.1/24"}});
    lab.link(lab.host("b"), r, {}, {.addresses = {"10.2.0.1/24"}});
    Running running(lab.topology);
    const MacAddress a = LabBuilder::mac_of(0, 0);
    // So that the router knows the sender.
    running.send(
        {0, 0},
        PacketBuilder().ethernet(broadcast_mac, a).arp_request(a, ip("10.1.0.2"), ip("10.1.0.1")).build(),
        start);
    running.taken();
    running.send({0, 0},
                 PacketBuilder()
                     .ethernet(LabBuilder::mac_of(0, 1), a)
                     .ip(ip("10.1.0.2"), ip("10.2.0.7"))
                     .udp(1, 2)
                     .build(),
                 start);
    running.network.advance(start + 10s);
    const auto arrived = running.taken();
    CHECK(std::ranges::count(arrived, EndId{1, 0}, &Arrival::end) == 3);
    const auto told = std::ranges::find_if(arrived, [](const Arrival& arrival) {
        return arrival.end == EndId{0, 0} && arrival.bytes[13] == 0x00;  // IPv4, not ARP
    });
    REQUIRE(told != arrived.end());
    CHECK(told->bytes[23] == ip_protocol::icmp);
    CHECK(told->at < start + 4s);
}

TEST_CASE("what is under way arrives in order of time, and at its time") {
    LabBuilder lab;
    const auto a = lab.host("a");
    const auto b = lab.host("b");
    lab.link(a, b, LabBuilder::delayed(5ms));
    lab.link(a, b, LabBuilder::delayed(2ms));
    Running running(lab.topology);
    running.send({0, 0}, Bytes(60, 1), start);
    running.send({1, 0}, Bytes(60, 2), start + 1ms);
    running.send({1, 1}, Bytes(60, 3), start + 1ms);
    running.send({0, 1}, Bytes(60, 4), start + 1ms);
    CHECK(running.network.next() == start + 3ms);
    running.network.advance(start + 2999us);
    CHECK(running.arrivals.empty());
    running.network.advance(start + 1s);
    std::vector<std::tuple<EndId, int, Duration>> seen;
    seen.reserve(running.arrivals.size());
    for (const Arrival& arrival : running.arrivals)
        seen.emplace_back(arrival.end, arrival.bytes[0], arrival.at - start);
    CHECK(seen == std::vector<std::tuple<EndId, int, Duration>>{
                      {{1, 1}, 2, 3ms}, {{1, 0}, 3, 3ms}, {{0, 1}, 1, 5ms}, {{0, 0}, 4, 6ms}});
}

TEST_CASE("a chain of many switches is passed in one call") {
    LabBuilder lab;
    auto last = lab.host("a");
    for (int i = 0; i < 300; ++i) {
        const auto next = lab.add_switch("s" + std::to_string(i));
        std::get<lab::Switch>(lab.topology.nodes[next].kind).bridge.max_stations = 64;
        lab.link(last, next);
        last = next;
    }
    const auto end = lab.link(last, lab.host("b"));
    Running running(lab.topology);
    running.send({0, 0}, frame_between(broadcast_mac, LabBuilder::mac_of(0, 0)), start);
    CHECK(ends(running.taken()) == std::vector<EndId>{{end, 1}});
    CHECK(running.network.looped() == 0);
}

TEST_CASE("routers in a row that do not know each other yet pass a datagram in one call") {
    LabBuilder lab;
    auto last = lab.host("a");
    constexpr int routers = 20;
    for (int i = 0; i < routers; ++i) {
        const auto next = lab.router("r" + std::to_string(i));
        const std::string net = "10." + std::to_string(i) + ".0.";
        const std::string here = net + "1/24";
        const std::string there = net + "2/24";
        lab.link(last, next, {.addresses = {here}}, {.addresses = {there}});
        auto& routes = std::get<lab::Router>(lab.topology.nodes[next].kind).routes;
        routes.push_back({.to = prefix("10.99.0.0/16"),
                          .via = ip("10." + std::to_string(i + 1) + ".0.2"),
                          .peer = {},
                          .port = {}});
        last = next;
    }
    const auto end = lab.link(last, lab.host("b"), {.addresses = {"10.20.0.1/24"}}, {});
    Running running(lab.topology);
    running.answer = [&](EndId at, Packet& frame) {
        if (at != EndId{end, 1} || frame.data()[13] != 0x06) return;
        std::vector<Packet> answer;
        answer.push_back(
            running.pool.take(PacketBuilder()
                                  .ethernet(LabBuilder::mac_of(end, 0), LabBuilder::mac_of(end, 1))
                                  .arp_reply(LabBuilder::mac_of(end, 1), ip("10.20.0.2"),
                                             LabBuilder::mac_of(end, 0), ip("10.20.0.1"))
                                  .build()));
        running.network.send(at, answer, start);
    };
    running.send({0, 0},
                 PacketBuilder()
                     .ethernet(LabBuilder::mac_of(0, 1), LabBuilder::mac_of(0, 0))
                     .ip(ip("10.0.0.1"), ip("10.99.0.1"))
                     .udp(1, 2)
                     .build(),
                 start);
    CHECK(running.network.looped() == 0);
    REQUIRE(running.arrivals.size() == 2);
    CHECK(running.arrivals[1].bytes[22] == 64 - routers);
}

TEST_CASE("a broadcast in a loop of switches ends, and is counted") {
    LabBuilder lab;
    const auto x = lab.add_switch("x");
    const auto y = lab.add_switch("y");
    const auto z = lab.add_switch("z");
    for (int i = 0; i < 3; ++i) {
        lab.link(x, y);
        lab.link(y, z);
        lab.link(z, x);
    }
    const auto at = lab.link(lab.host("a"), x);
    Running running(lab.topology);
    running.send({at, 0}, frame_between(broadcast_mac, LabBuilder::mac_of(at, 0)), start);
    CHECK(running.network.looped() > 0);
    CHECK(running.pool.available() == running.pool.size());
}

TEST_CASE("what goes round a loop of slow links does not keep a late caller for ever") {
    LabBuilder lab;
    const auto x = lab.add_switch("x");
    const auto y = lab.add_switch("y");
    for (int i = 0; i < 3; ++i) lab.link(x, y, LabBuilder::delayed(1us));
    const auto at = lab.link(lab.host("a"), x);
    Running running(lab.topology);
    running.send({at, 0}, frame_between(broadcast_mac, LabBuilder::mac_of(at, 0)), start);
    running.network.advance(start + 3600s);
    CHECK(running.network.looped() > 0);
}

TEST_CASE("who is told of a frame can answer in the same call") {
    LabBuilder lab;
    lab.link(lab.host("a"), lab.host("b"));
    Running running(lab.topology);
    int left = 1000;
    running.answer = [&](EndId end, Packet& frame) {
        if (left-- <= 0) return;
        std::vector<Packet> answer;
        answer.push_back(std::move(frame));
        running.network.send(end, answer, start);
    };
    running.send({0, 0}, Bytes(60, 1), start);
    CHECK(running.arrivals.size() == 1001);
    CHECK(running.network.looped() == 0);
}

TEST_CASE("one direction of a link is down, and the other is not") {
    LabBuilder lab;
    lab.link(lab.host("a"), lab.host("b"), LabBuilder::delayed(1ms));
    Running running(lab.topology);
    running.network.set_up(0, lab::Direction::there, false, start);
    running.send({0, 0}, Bytes(60, 1), start);
    running.send({0, 1}, Bytes(60, 2), start);
    running.network.advance(start + 1ms);
    CHECK(ends(running.taken()) == std::vector<EndId>{{0, 0}});
    CHECK(running.network.wire(0, lab::Direction::there).counters().cut == 1);
    running.network.set_up(0, lab::Direction::there, true, start + 1ms);
    running.send({0, 0}, Bytes(60, 3), start + 1ms);
    running.network.advance(start + 2ms);
    CHECK(ends(running.taken()) == std::vector<EndId>{{0, 1}});
}

TEST_CASE("a link is connected as long as one of its directions is up, whatever has set the other down") {
    LabBuilder lab;
    const auto a = lab.host("a");
    const auto b = lab.host("b");
    Impairment down;
    down.up = false;
    Impairment scheduled;
    scheduled.schedule = {{.at = 1s, .then = std::make_shared<Impairment>(down)},
                          {.at = 2s, .then = std::make_shared<Impairment>()}};
    const auto by_schedule = lab.link(a, b, scheduled);
    const auto by_switch = lab.link(a, b);
    const auto from_the_start = lab.link(a, b, down);
    Running running(lab.topology);
    auto& network = running.network;
    std::vector<std::pair<lab::LinkIndex, bool>> seen;
    network.watch_connections([&](lab::LinkIndex link, bool connected) {
        CHECK(network.is_connected(link) == connected);
        seen.emplace_back(link, connected);
    });
    const auto taken = [&] { return std::exchange(seen, {}); };
    using Seen = std::vector<std::pair<lab::LinkIndex, bool>>;
    CHECK(network.is_connected(by_schedule));
    CHECK_FALSE(network.is_connected(from_the_start));

    network.set_up(by_switch, lab::Direction::there, false, start);
    CHECK(taken().empty());
    network.set_up(by_switch, lab::Direction::back, false, start);
    CHECK(taken() == Seen{{by_switch, false}});
    network.set_up(by_switch, lab::Direction::back, true, start);
    CHECK(taken() == Seen{{by_switch, true}});
    network.set_up(by_switch, lab::Direction::there, true, start);
    CHECK(taken().empty());

    network.set(from_the_start, lab::Direction::back, {}, start);
    CHECK(taken() == Seen{{from_the_start, true}});

    network.advance(start + 999ms);
    CHECK(taken().empty());
    network.advance(start + 1s);
    CHECK(taken() == Seen{{by_schedule, false}});
    network.advance(start + 3s);
    CHECK(taken() == Seen{{by_schedule, true}});
}

TEST_CASE("a link is given another delay") {
    LabBuilder lab;
    lab.link(lab.host("a"), lab.host("b"), LabBuilder::delayed(1ms));
    Running running(lab.topology);
    running.network.set(0, lab::Direction::there, LabBuilder::delayed(3ms), start);
    running.send({0, 0}, Bytes(60, 1), start);
    CHECK(running.network.next() == start + 3ms);
    running.network.set(0, lab::Direction::there, {}, start + 3ms);
    running.send({0, 0}, Bytes(60, 1), start + 4ms);
    REQUIRE(running.arrivals.size() == 2);
    CHECK(running.arrivals[1].at == start + 4ms);
}

TEST_CASE("a watcher sees frames begin their way and end it") {
    LabBuilder lab;
    const auto s = lab.add_switch("s");
    lab.link(lab.host("a"), s, LabBuilder::delayed(1ms));
    lab.link(s, lab.host("b"), LabBuilder::delayed(2ms));
    Running running(lab.topology);
    std::vector<std::tuple<lab::LinkIndex, lab::Direction, bool, Duration>> seen;
    running.network.watch([&](const lab::Network::Sighting& sighting) {
        seen.emplace_back(sighting.link, sighting.direction, sighting.arrived, sighting.at - start);
    });
    running.send({0, 0}, frame_between(broadcast_mac, LabBuilder::mac_of(0, 0)), start);
    running.network.advance(start + 1s);
    using enum lab::Direction;
    CHECK(seen ==
          std::vector<std::tuple<lab::LinkIndex, lab::Direction, bool, Duration>>{
              {0, there, false, 0ms}, {0, there, true, 1ms}, {1, there, false, 1ms}, {1, there, true, 3ms}});
}

TEST_CASE("a network in which nothing happens any more wants nothing") {
    LabBuilder lab;
    const auto s = lab.add_switch("s");
    lab.link(lab.host("a"), s);
    lab.link(lab.host("b"), s);
    Running running(lab.topology);
    CHECK(running.network.next() == Instant::max());
    running.send({0, 0}, frame_between(broadcast_mac, LabBuilder::mac_of(0, 0)), start);
    CHECK(running.network.snapshot(s, start).stations.size() == 1);
    int wakeups = 0;
    while (running.network.next() != Instant::max()) {
        running.network.advance(running.network.next());
        REQUIRE(++wakeups < 100);
    }
    CHECK(running.network.snapshot(s, start + 1h).stations.empty());
}

TEST_CASE("an agenda gives what is due first, and the lowest of what is due together") {
    constexpr std::uint32_t things = 50;
    lab::Agenda agenda(things);
    std::vector<Instant> model(things, lab::Agenda::never);
    std::uint32_t random = 1;
    for (int i = 0; i < 20'000; ++i) {
        random = random * 1664525 + 1013904223;
        const std::uint32_t thing = (random >> 8U) % things;
        const std::uint32_t when = (random >> 16U) % 40;
        const Instant at = when == 0 ? lab::Agenda::never : start + when * 1ms;
        agenda.set(thing, at);
        model[thing] = at;
        const auto first = std::ranges::min_element(model);
        REQUIRE(agenda.next() == *first);
        if (*first != lab::Agenda::never) REQUIRE(agenda.first() == first - model.begin());
    }
}
