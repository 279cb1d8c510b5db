// Labs in virtual time: stations, generators, events and captures.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "lab/simulation/delay_statistics.h"
#include "lab/simulation/sequence_window.h"
#include "lab/simulation/simulation.h"
#include "lab/simulation/simulation_report.h"
#include "tests/support/lab_builder.h"
#include "tests/support/temporary_folder.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;
using lab::Traffic;

namespace {

struct Traffics : LabBuilder {
    Traffic& traffic(Traffic::Kind kind, lab::NodeIndex from, lab::NodeIndex to, double rate = 1,
                     std::uint32_t size = 64) {
        Traffic added;
        added.name = "t" + std::to_string(topology.traffic.size());
        added.kind = kind;
        added.from = from;
        added.to = to;
        added.rate = rate;
        added.size = size;
        topology.traffic.push_back(added);
        return topology.traffic.back();
    }

    [[nodiscard]] lab::SimulationResult simulate(Duration length) const {
        return lab::simulate(topology, {.length = length});
    }

    [[nodiscard]] Bytes capture(Duration length, std::uint64_t seed = 1) {
        topology.seed = seed;
        Bytes bytes;
        (void)lab::simulate(topology, {.length = length},
                            [&](auto piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); });
        return bytes;
    }
};

// Two hosts and a link.
struct Pair : Traffics {
    explicit Pair(const Impairment& both = {}, std::string_view a_address = "10.0.0.1/24",
                  std::string_view b_address = "10.0.0.2/24")
        : a(host("a")),
          b(host("b")),
          wire(link(a, b, {.addresses = {a_address}}, {.addresses = {b_address}}, both)) {}

    lab::NodeIndex a;
    lab::NodeIndex b;
    lab::LinkIndex wire;
};

// Two clients, a router and a server behind a slow link: 10 Mbit/s, 50 ms.
struct Bottleneck : Traffics {
    explicit Bottleneck(QueueModel::Discipline discipline) {
        Impairment slow = delayed(25ms);
        slow.rate = 10'000'000;
        slow.queue.discipline = discipline;
        if (discipline == QueueModel::Discipline::drop_tail)
            slow.queue.bytes = 62'500;  // one bandwidth-delay product
        const auto r = router("r");
        const auto s = host("server", "10.9.0.1");
        for (const auto* name : {"a", "b"}) clients.push_back(host(name, "10.0.0.1"));
        const auto lan = add_switch("lan");
        link(clients[0], lan, {.addresses = {"10.0.0.10/24"}}, {});
        link(clients[1], lan, {.addresses = {"10.0.0.11/24"}}, {});
        link(lan, r, {}, {.addresses = {"10.0.0.1/24"}});
        link(r, s, {.addresses = {"10.9.0.1/24"}}, {.addresses = {"10.9.0.2/24"}}, slow);
        server = s;
    }

    std::vector<lab::NodeIndex> clients;
    lab::NodeIndex server = 0;
};

double mean_ms(const lab::TrafficResult& result) {
    return std::chrono::duration<double, std::milli>(result.delays.mean()).count();
}

}  // namespace

TEST_CASE("a ping's round trip is what the links make of it") {
    Pair pair(LabBuilder::delayed(7ms));
    pair.traffic(Traffic::Kind::ping, pair.a, pair.b, 10);
    const auto result = pair.simulate(10s);
    const auto& ping = result.traffic[0];
    CHECK(ping.sent_packets == 100);
    CHECK(ping.received_packets == 100);
    CHECK(ping.missing() == 0);
    CHECK(ping.delays.greatest() == 28ms);  // the first one waited for ARP
    CHECK(ping.delays.least() == 14ms);
    CHECK(ping.delays.quantile(0.5) >= 13800us);
    CHECK(ping.delays.quantile(0.5) <= 14200us);
}

TEST_CASE("stations ping by IPv6 where they have no IPv4") {
    Pair pair(LabBuilder::delayed(1ms), "2001:db8::1/64", "2001:db8::2/64");
    pair.traffic(Traffic::Kind::ping, pair.a, pair.b, 10);
    pair.traffic(Traffic::Kind::tcp, pair.a, pair.b, 1, 1440).stop = 100ms;
    pair.traffic(Traffic::Kind::constant, pair.b, pair.a, 80'000, 100);
    const auto result = pair.simulate(1s);
    CHECK(result.traffic[0].received_packets == 10);
    CHECK(result.traffic[1].received_bytes > 100'000);
    CHECK(result.traffic[2].received_packets == 100);
}

TEST_CASE("stations reach each other through switches and routers, and answers find back") {
    Bottleneck lab(QueueModel::Discipline::drop_tail);
    lab.traffic(Traffic::Kind::ping, lab.clients[0], lab.server, 10);
    lab.traffic(Traffic::Kind::ping, lab.clients[0], lab.clients[1], 10);
    const auto result = lab.simulate(10s);
    CHECK(result.traffic[0].received_packets == 100);
    CHECK(result.traffic[1].received_packets == 100);
    CHECK(result.unresolved == 0);
    CHECK(result.looped == 0);
}

TEST_CASE("constant traffic has its rate and Poisson traffic its mean and its deviation") {
    Pair pair;
    pair.traffic(Traffic::Kind::constant, pair.a, pair.b, 1'000'000, 1000);
    pair.traffic(Traffic::Kind::poisson, pair.a, pair.b, 1'000'000, 1000);
    const auto result = pair.simulate(100s);
    CHECK(result.traffic[0].received_packets == 12'500);
    // 12500 +- 2.6 times the root of it.
    CHECK(result.traffic[1].received_packets > 12'210);
    CHECK(result.traffic[1].received_packets < 12'790);
    CHECK(result.traffic[1].received_bytes == result.traffic[1].received_packets * 1000);
}

TEST_CASE("what a link loses is missing, what it doubles is counted once") {
    Impairment bad;
    bad.loss = RandomLoss{.probability = 0.1};
    bad.duplicate = 0.05;
    Pair pair(bad);
    pair.traffic(Traffic::Kind::constant, pair.a, pair.b, 800'000, 100);
    const auto result = pair.simulate(20s);
    const auto& counted = result.traffic[0];
    const auto& wire = result.links[0][0];
    CHECK(counted.sent_packets == 20'000);
    // While a lost ARP request is repeated, nothing goes out.
    CHECK(counted.missing() - result.unresolved > 1800);
    CHECK(counted.missing() - result.unresolved < 2200);
    CHECK(counted.duplicates > 800);
    CHECK(counted.duplicates <= wire.duplicated);
}

TEST_CASE("what a link corrupts does not arrive") {
    Impairment bad;
    bad.bit_error_rate = 1e-4;
    Pair pair(bad);
    for (const auto kind : {Traffic::Kind::constant, Traffic::Kind::ping})
        pair.traffic(kind, pair.a, pair.b, 80'000, 100);
    pair.topology.traffic[1].rate = 100;
    const auto result = pair.simulate(100s);
    CHECK(result.links[0][0].corrupted > 1000);
    for (const auto& counted : result.traffic) CHECK(counted.missing() > 0);
    CHECK(result.traffic[0].received_bytes == result.traffic[0].received_packets * 100);
}

TEST_CASE("reordered packets are told from lost ones") {
    Impairment bad = LabBuilder::delayed(10ms);
    bad.reorder = 0.1;
    Pair pair(bad);
    pair.traffic(Traffic::Kind::constant, pair.a, pair.b, 800'000, 100);
    const auto result = pair.simulate(10s);
    const auto& counted = result.traffic[0];
    CHECK(counted.reordered > 1000);
    CHECK(counted.missing() < 20);  // under way
}

TEST_CASE("one TCP flow fills a link whose queue is one bandwidth-delay product") {
    Bottleneck lab(QueueModel::Discipline::drop_tail);
    lab.traffic(Traffic::Kind::tcp, lab.clients[0], lab.server, 1, 1460);
    const auto result = lab.simulate(60s);
    const double bits = static_cast<double>(result.links[3][0].delivered_bytes) * 8 / 60;
    CHECK(bits >= 9'500'000);
    CHECK(bits <= 10'000'000);
    const double goodput = static_cast<double>(result.traffic[0].received_bytes) * 8 / 60;
    MESSAGE("drop-tail: " << bits << " bit/s on the link, " << goodput << " of payload");
    CHECK(goodput >= 9'500'000 * 1460.0 / 1514);
    CHECK(result.traffic[0].retransmitted > 0);
    CHECK(result.links[3][0].queue_full > 0);
}

TEST_CASE("CoDel keeps a ping beside a TCP flow within 15 ms of an idle link's") {
    double idle = 0;
    double added[3] = {};
    {
        Bottleneck lab(QueueModel::Discipline::drop_tail);
        lab.traffic(Traffic::Kind::ping, lab.clients[1], lab.server, 20);
        idle = mean_ms(lab.simulate(60s).traffic[0]);
    }
    using enum QueueModel::Discipline;
    for (const auto discipline : {drop_tail, codel, fq_codel}) {
        Bottleneck lab(discipline);
        lab.traffic(Traffic::Kind::ping, lab.clients[1], lab.server, 20);
        lab.traffic(Traffic::Kind::tcp, lab.clients[0], lab.server, 1, 1460);
        const auto result = lab.simulate(60s);
        added[static_cast<std::size_t>(discipline)] = mean_ms(result.traffic[0]) - idle;
        MESSAGE("added by the flow: " << added[static_cast<std::size_t>(discipline)] << " ms, at "
                                      << result.links[3][0].delivered_bytes * 8 / 60 << " bit/s");
    }
    CHECK(added[0] > 15);
    CHECK(added[1] < 15);
    CHECK(added[2] < 15);
}

TEST_CASE("two TCP flows share a link") {
    Bottleneck lab(QueueModel::Discipline::drop_tail);
    for (const auto client : lab.clients) lab.traffic(Traffic::Kind::tcp, client, lab.server, 1, 1460);
    const auto result = lab.simulate(120s);
    const auto first = static_cast<double>(result.traffic[0].received_bytes);
    const auto second = static_cast<double>(result.traffic[1].received_bytes);
    CHECK(first + second > 0.9 * 10e6 / 8 * 120);
    CHECK(first / second > 0.4);
    CHECK(first / second < 2.5);
}

TEST_CASE("TCP over links that take no time does not stop time") {
    Pair pair;
    pair.traffic(Traffic::Kind::tcp, pair.a, pair.b, 1, 1460).stop = 50ms;
    const auto result = pair.simulate(100ms);
    CHECK(result.looped == 0);
    CHECK(result.traffic[0].retransmitted == 0);
    const double rate = static_cast<double>(result.traffic[0].received_bytes) * 8 / 0.05;
    CHECK(rate > 0.9e9);
    CHECK(rate < 1e9);
}

TEST_CASE("traffic keeps to its start and its stop") {
    Pair pair;
    auto& ping = pair.traffic(Traffic::Kind::ping, pair.a, pair.b, 10);
    ping.start = 2s;
    ping.stop = 3s;
    const auto result = pair.simulate(10s);
    CHECK(result.traffic[0].sent_packets == 10);
    CHECK(*result.traffic[0].first_sent == Instant{1002s});
}

TEST_CASE("events happen at their times, in one direction, and again") {
    Pair pair(LabBuilder::delayed(1ms));
    pair.traffic(Traffic::Kind::constant, pair.a, pair.b, 16'000, 20);
    pair.traffic(Traffic::Kind::constant, pair.b, pair.a, 16'000, 20);
    pair.topology.events = {
        {.at = 2s,
         .repeat = 5s,
         .action = lab::SwitchLink{.link = 0, .direction = lab::Direction::there, .up = false}},
        {.at = 3s,
         .repeat = 5s,
         .action = lab::SwitchLink{.link = 0, .direction = lab::Direction::there, .up = true}},
        {.at = 9s,
         .repeat = {},
         .action = lab::SetLink{.link = 0, .direction = {}, .settings = {{"delay", "100ms"}}}},
    };
    const auto result = pair.simulate(10s);
    // Lost: 2.000 to 2.999 and 7.000 to 7.999, and what was under way then. Not yet there: 100 ms.
    CHECK(result.traffic[0].missing() >= 2 * 100 + 10);
    CHECK(result.traffic[0].missing() <= 2 * 101 + 11);
    CHECK(result.traffic[1].missing() >= 9);
    CHECK(result.traffic[1].missing() <= 11);
    CHECK(result.traffic[1].delays.greatest() == 100ms);
}

TEST_CASE("a node that is down is down at all its links") {
    Bottleneck lab(QueueModel::Discipline::drop_tail);
    lab.traffic(Traffic::Kind::ping, lab.clients[0], lab.server, 10);
    lab.topology.events = {
        {.at = 5s, .repeat = {}, .action = lab::SwitchNode{.node = lab.server, .up = false}}};
    const auto result = lab.simulate(10s);
    CHECK(result.traffic[0].received_packets >= 48);
    CHECK(result.traffic[0].received_packets <= 50);
    CHECK(result.links[3][0].cut > 0);
}

TEST_CASE("the same seed makes the same capture, and another seed another one") {
    Impairment bad = LabBuilder::delayed(5ms);
    bad.delay.jitter = 2ms;
    bad.loss = RandomLoss{.probability = 0.01};
    bad.rate = 20'000'000;
    Pair pair(bad);
    pair.traffic(Traffic::Kind::ping, pair.a, pair.b, 10);
    pair.traffic(Traffic::Kind::poisson, pair.b, pair.a, 100'000, 200);
    pair.traffic(Traffic::Kind::tcp, pair.a, pair.b, 1, 1460).stop = 3s;
    const Bytes once = pair.capture(5s);
    CHECK(once.size() > 1'000'000);
    CHECK(once == pair.capture(5s));
    CHECK(once != pair.capture(5s, 2));
}

TEST_CASE("another link changes nothing on the others") {
    Impairment bad = LabBuilder::delayed(5ms);
    bad.loss = RandomLoss{.probability = 0.2};
    Pair alone(bad);
    alone.traffic(Traffic::Kind::constant, alone.a, alone.b, 80'000, 100);
    Pair more(bad);
    more.traffic(Traffic::Kind::constant, more.a, more.b, 80'000, 100);
    const auto c = more.host("c");
    more.link(more.a, c, {.addresses = {"10.1.0.1/24"}}, {.addresses = {"10.1.0.2/24"}}, bad);
    more.traffic(Traffic::Kind::poisson, more.a, c, 80'000, 100);
    CHECK(alone.simulate(10s).links[0] == more.simulate(10s).links[0]);
}

TEST_CASE("a capture is replayed frame by frame, between the two hosts") {
    const TemporaryFolder folder;
    Pair recorded(LabBuilder::delayed(5ms));
    recorded.traffic(Traffic::Kind::ping, recorded.a, recorded.b, 10);
    const Bytes capture = recorded.capture(1s);
    const std::string path = folder / "in.pcapng";
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(capture.data()), static_cast<std::streamsize>(capture.size()));

    Pair pair(LabBuilder::delayed(1ms));
    pair.traffic(Traffic::Kind::replay, pair.a, pair.b).file = path;
    const auto result = pair.simulate(2s);
    // Each frame was seen at both ends: 10 requests, 10 answers, and both hosts have asked for the other.
    CHECK(result.traffic[0].sent_packets == 48);
    CHECK(result.traffic[0].received_packets == 48);
    pair.topology.traffic[0].file = folder / "none.pcap";
    CHECK_THROWS_WITH_AS((void)pair.simulate(1s), doctest::Contains("none.pcap: cannot be read"),
                         std::runtime_error);
}

TEST_CASE("what cannot be simulated is told, all of it, before anything happens") {
    Pair pair;
    pair.traffic(Traffic::Kind::ping, pair.a, pair.b);
    std::get<lab::Host>(pair.topology.nodes[pair.a].kind).run = {"sleep 1"};
    pair.add("office", lab::Site{.config = "none.toml", .routes = {}, .sysctl = {}, .run = {"true"}});
    pair.add("eth0", lab::RealInterface{});
    pair.topology.events = {{.at = 1s, .repeat = {}, .action = lab::RunCommand{.node = 0, .command = "ls"}}};
    std::string message;
    try {
        (void)lab::simulate(pair.topology, {});
    } catch (const std::runtime_error& error) {
        message = error.what();
    }
    CHECK(
        message ==
        "test.toml: a runs commands, which need real time: remove them, or simulate --without-commands\n"
        "test.toml: office runs commands, which need real time: remove them, or simulate --without-commands\n"
        "test.toml: eth0 is an interface of this machine, which has a time of its own: put a host there\n"
        "test.toml: events run commands, which need real time: remove them, or simulate --without-commands\n"
        "test.toml: how long to simulate is not said: set `length`, or give --length\n"
        "none.toml: No such file or directory, the configuration of site office: correct its `config` in "
        "test.toml, or write it");
    pair.topology.nodes.resize(2);
    CHECK(
        lab::simulate(pair.topology, {.length = 2s, .without_commands = true}).traffic[0].received_packets ==
        2);
}

TEST_CASE("traffic that has no way is refused with its cure") {
    Pair pair({}, "10.0.0.1/24", "10.1.0.2/24");
    pair.traffic(Traffic::Kind::ping, pair.a, pair.b);
    CHECK_THROWS_WITH_AS((void)pair.simulate(1s),
                         doctest::Contains("traffic t0: its hosts have no addresses"), std::runtime_error);
    Pair large;
    large.traffic(Traffic::Kind::constant, large.a, large.b, 1e6, 2000);
    CHECK_THROWS_WITH_AS((void)large.simulate(1s), doctest::Contains("give a size of at most 1472"),
                         std::runtime_error);
}

TEST_CASE("a report has every traffic and every link") {
    Pair pair(LabBuilder::delayed(7ms));
    pair.traffic(Traffic::Kind::ping, pair.a, pair.b, 10);
    pair.traffic(Traffic::Kind::tcp, pair.b, pair.a, 1, 1000).stop = 1s;
    const auto result = pair.simulate(2s);
    const auto report = report_simulation(pair.topology, result);
    CHECK(report["traffic"][0]["received_packets"] == 20);
    CHECK(report["traffic"][0]["round_trip"]["min_s"] == 0.014);
    CHECK(report["traffic"][1]["retransmitted_packets"] == 0);
    CHECK(report["links"][0]["there"]["delivered_packets"] == result.links[0][0].delivered_packets);
    const std::string text = render_simulation(pair.topology, result, false);
    CHECK(text.find("t0") != std::string::npos);
    CHECK(text.find("a-b-0") != std::string::npos);
}

TEST_CASE("quantiles of delays are right to within two percent") {
    lab::DelayStatistics delays;
    for (std::int64_t i = 1; i <= 100'000; ++i) delays.add(Duration{i * 1000});
    CHECK(delays.count() == 100'000);
    CHECK(delays.least() == 1us);
    CHECK(delays.greatest() == 100ms);
    CHECK(std::abs(static_cast<double>(delays.mean().count()) - 50'000'500.0) < 1);
    for (const double part : {0.01, 0.5, 0.9, 0.99, 0.999}) {
        const double exact = part * 1e8;
        CHECK(std::abs(static_cast<double>(delays.quantile(part).count()) - exact) < 0.02 * exact);
    }
    CHECK(lab::DelayStatistics{}.quantile(0.5) == 0ns);
}

TEST_CASE("a sequence window tells late packets from repeated ones") {
    using enum lab::SequenceWindow::Arrival;
    lab::SequenceWindow window;
    CHECK(window.note(0) == in_order);
    CHECK(window.note(3) == in_order);
    CHECK(window.note(1) == late);
    CHECK(window.note(1) == again);
    CHECK(window.note(3) == again);
    CHECK(window.note(10'000) == in_order);
    CHECK(window.note(9'999) == late);
    CHECK(window.note(2) == late);
}
