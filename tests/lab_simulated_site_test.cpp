// Sites in simulated labs: weft's own datapath and handshakes, run by configuration files.
#include <array>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "lab/simulation/simulation.h"
#include "lab/simulation/simulation_report.h"
#include "tests/support/hex.h"
#include "tests/support/packet_builder.h"
#include "tests/support/site_lab.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view some_key = "OsnTs5MinbeX+O2YNo6RhlE/TTAPPJrvKYnT3uPZo2U=";
constexpr std::string_view other_key = "i1Iy47+lBxD+Jg43HvyTFKpzFZdnWNHzAXxICN/y7g0=";

// A site "site-$own" of number $number.
constexpr std::string_view site_text = R"([node]
name = "site-$own"
$identity
[[bridge]]
name = "lan"
vni = 100
[[bridge]]
name = "office"
gateway = ["10.20.$number.1/24"]
[[port]]
name = "pc"
type = "tap"
netns = "pc-$own"
bridge = "lan"
address = ["10.10.0.$number/24"]
[[port]]
name = "desk"
type = "veth"
netns = "desk-$own"
bridge = "office"
address = ["10.20.$number.9/24"]
)";

constexpr std::string_view sealed_peer = R"([[peer]]
name = "site-$peer"
public_key = "$key"
endpoint = "site-$peer:4500"
bridges = ["lan"]
prefixes = ["10.20.$far.0/24"]
)";

constexpr std::string_view plain_peer = R"([[peer]]
name = "site-$peer"
encryption = "none"
endpoint = "192.0.2.$far:4789"
bridges = ["lan"]
)";

constexpr std::string_view lab_text = R"([lab]
length = "10m"
[[site]]
name = "site-a"
config = "site-a.toml"
[[site]]
name = "site-b"
config = "site-b.toml"
[[host]]
name = "pc-a"
[[host]]
name = "pc-b"
[[host]]
name = "desk-a"
routes = [{ to = "10.20.0.0/16", via = "10.20.1.1" }]
[[host]]
name = "desk-b"
routes = [{ to = "10.20.0.0/16", via = "10.20.2.1" }]
[[link]]
name = "wan"
ends = ["site-a", "site-b"]
address = ["192.0.2.1/24", "192.0.2.2/24"]
impair = { $wan }
[[traffic]]
kind = "ping"
from = "pc-a"
to = "pc-b"
rate = 10
[[traffic]]
kind = "ping"
from = "desk-b"
to = "desk-a"
rate = 10
)";

constexpr std::string_view slow = "delay = \"10ms\"";

// Two sites with a bridge that is stretched between them and a routed network each, and a PC at both.
struct TwoSites : SiteLab {
    explicit TwoSites(std::string_view wan = slow, std::string_view peer = sealed_peer) {
        site("a", "1", "b", "2", peer);
        site("b", "2", "a", "1", peer);
        lab(wan);
    }

    void site(const std::string& own, std::string_view number, std::string_view other, std::string_view far,
              std::string_view peer = sealed_peer) const {
        const auto key = own == "a" ? some_key : other_key;
        const auto identity = peer == plain_peer ? "" : "private_key_file = \"absent.key\"";
        write("site-" + own + ".toml",
              filled(std::string{site_text} + std::string{peer}, {{"identity", identity},
                                                                  {"own", own},
                                                                  {"number", number},
                                                                  {"peer", other},
                                                                  {"far", far},
                                                                  {"key", key}}));
    }

    void lab(std::string_view wan, std::string_view more = "") const {
        write("lab.toml", filled(std::string{lab_text}, {{"wan", wan}}) + std::string{more});
    }
};

bool contains(const Bytes& bytes, std::span<const std::uint8_t> what) {
    return !std::ranges::search(bytes, what).empty();
}

}  // namespace

TEST_CASE("the hosts of two simulated sites reach each other, bridged and routed, sealed") {
    const TwoSites lab;
    const auto result = lab.simulate();
    for (const auto& ping : result.traffic) {
        CHECK(ping.sent_packets == 6000);
        CHECK(ping.received_packets >= 5998);  // the first ones wait for a session and for ARP
        CHECK(ping.delays.quantile(0.5) >= 19800us);
        CHECK(ping.delays.quantile(0.5) <= 20400us);
    }
    REQUIRE(result.peers.size() == 2);
    CHECK(result.peers[0].counted.name == "site-b");
    CHECK(result.peers[0].counted.handshakes >= 4);  // one in two minutes or so
    CHECK(result.peers[0].counted.handshakes <= 7);
    CHECK(result.peers[0].counted.sent_packets >= 12'000);
    CHECK(result.peers[1].counted.received_packets >= 12'000);
    CHECK(result.notes.size() == 2);  // the keys

    const auto wire = lab.capture();
    CHECK(contains(wire, std::array<std::uint8_t, 4>{192, 0, 2, 1}));
    CHECK_FALSE(contains(wire, std::array<std::uint8_t, 4>{10, 10, 0, 1}));
    CHECK_FALSE(contains(wire, std::array<std::uint8_t, 4>{10, 20, 1, 9}));
}

TEST_CASE("plain sites send VXLAN that can be read") {
    const TwoSites lab(slow, plain_peer);
    const auto result = lab.simulate();
    CHECK(result.traffic[0].received_packets == 6000);
    CHECK(result.traffic[1].received_packets == 0);  // plain peers are bridged to only
    CHECK(result.peers[0].counted.handshakes == 0);
    const auto wire = lab.capture();
    CHECK(contains(wire, std::array<std::uint8_t, 4>{10, 10, 0, 1}));
    CHECK(contains(wire, std::array<std::uint8_t, 8>{8, 0, 0, 0, 0, 0, 100, 0}));
}

TEST_CASE("simulated sites with the same seed make the same capture, and with another seed another one") {
    const TwoSites lab("delay = \"10ms\", loss = \"5%\"");
    const Bytes once = lab.capture();
    CHECK(once.size() > 1'000'000);
    CHECK(once == lab.capture());
    CHECK(once != lab.capture(2));
}

TEST_CASE("simulated sites find each other again when their link comes back") {
    const TwoSites lab;
    lab.lab(slow, R"(
[[event]]
at = "60s"
link = "wan"
up = false
[[event]]
at = "360s"
link = "wan"
up = true
)");
    const auto result = lab.simulate();
    for (const auto& ping : result.traffic) {
        CHECK(ping.received_packets >= 2960);  // five of ten minutes, but for what it takes to notice
        CHECK(ping.received_packets <= 3010);
        CHECK(*ping.last_received >= Instant{1000s} + 599s);
    }
}

TEST_CASE("simulated sites measure a path that carries less than its ends say") {
    const TwoSites lab;
    lab.lab("delay = \"10ms\", mtu = 1280", R"(
[[traffic]]
kind = "tcp"
from = "desk-a"
to = "desk-b"
start = "10s"
stop = "20s"
)");
    const auto result = lab.simulate();
    CHECK(result.links[0][0].too_big > 0);
    CHECK(result.traffic[2].received_bytes > 10'000'000);
}

TEST_CASE("a packet port of a simulated site takes what comes by its link") {
    const SiteLab lab;
    lab.write("site.toml", R"([node]
name = "site"
[[bridge]]
name = "lan"
gateway = ["10.1.0.1/24"]
[[port]]
name = "eth1"
type = "packet"
bridge = "lan"
[[port]]
name = "eth2"
type = "packet"
bridge = "lan"
impair = { out = { delay = "30ms" } }
)");
    lab.write("lab.toml", R"([lab]
length = "10s"
[[site]]
name = "site"
config = "site.toml"
[[host]]
name = "a"
[[host]]
name = "b"
[[link]]
ends = ["a", "site:eth1"]
address = ["10.1.0.2/24", "none"]
[[link]]
ends = ["b", "site:eth2"]
address = ["10.1.0.3/24", "none"]
[[traffic]]
kind = "ping"
from = "a"
to = "b"
rate = 10
)");
    const auto result = lab.simulate();
    CHECK(result.traffic[0].received_packets == 100);
    CHECK(result.traffic[0].delays.quantile(0.5) >= 29500us);
    CHECK(result.traffic[0].delays.quantile(0.5) <= 30500us);
}

TEST_CASE("a TUN of a simulated site is an interface of its namespace, with routes to the peers' prefixes") {
    const SiteLab lab;
    const auto site = [&](const std::string& own, std::string_view number, std::string_view peer,
                          std::string_view far, std::string_view key) {
        lab.write("site-" + own + ".toml",
                  filled(R"([node]
name = "site-$own"
private_key_file = "absent"
[[port]]
name = "weft0"
type = "tun"
address = ["10.20.$number.1/24"]
netns = "host-$own"
[[peer]]
name = "site-$peer"
public_key = "$key"
endpoint = "192.0.2.$far:4500"
prefixes = ["10.20.$far.0/24"]
)",
                         {{"own", own}, {"number", number}, {"peer", peer}, {"far", far}, {"key", key}}));
    };
    site("a", "1", "b", "2", some_key);
    site("b", "2", "a", "1", other_key);
    lab.write("lab.toml", R"([lab]
length = "60s"
[[site]]
name = "site-a"
config = "site-a.toml"
[[site]]
name = "site-b"
config = "site-b.toml"
[[host]]
name = "host-a"
[[host]]
name = "host-b"
[[link]]
ends = ["site-a", "site-b"]
address = ["192.0.2.1/24", "192.0.2.2/24"]
[[traffic]]
kind = "tcp"
from = "host-a"
to = "host-b"
stop = "100ms"
)");
    const auto result = lab.simulate();
    CHECK(result.traffic[0].received_bytes > 1'000'000);
    CHECK(result.traffic[0].missing() == 0);
}

TEST_CASE("a simulated host forwards if its sysctl says so, and not otherwise") {
    const SiteLab lab;
    const auto file = [&](std::string_view forwards) {
        lab.write("lab.toml", filled(R"([lab]
length = "10s"
[[host]]
name = "a"
gateway = "10.1.0.1"
[[host]]
name = "b"
gateway = "10.2.0.1"
[[host]]
name = "linux"
sysctl = { net.ipv4.ip_forward = $forwards }
[[link]]
ends = ["a", "linux"]
address = ["10.1.0.2/24", "10.1.0.1/24"]
[[link]]
ends = ["b", "linux"]
address = ["10.2.0.2/24", "10.2.0.1/24"]
[[traffic]]
kind = "ping"
from = "a"
to = "b"
rate = 10
[[traffic]]
kind = "tcp"
from = "b"
to = "a"
stop = "10ms"
)",
                                     {{"forwards", forwards}}));
    };
    file("1");
    const auto result = lab.simulate();
    CHECK(result.traffic[0].received_packets == 100);
    CHECK(result.traffic[1].received_bytes > 10'000);
    file("0");
    CHECK(lab.simulate().traffic[0].received_packets == 0);
}

TEST_CASE("what of a site cannot be simulated is told, with the cure") {
    const TwoSites lab;
    lab.write("site-b.toml", "[node]\nname = \"site-b\"\n[[port]]\nname = \"x\"\ntype = \"tap\"\n");
    CHECK(lab.problems().starts_with("site-b.toml:"));

    lab.write("site-b.toml", R"([node]
name = "site-b"
[[bridge]]
name = "lan"
gateway = ["10.1.0.1/24"]
masquerade = true
)");
    CHECK(
        lab.problems() ==
        "lab.toml: site site-b: its bridge lan is masqueraded, which the kernel does: bring the lab up with "
        "`weft lab up`, or simulate without `masquerade`");

    lab.write("site-b.toml", R"([node]
name = "site-b"
[[bridge]]
name = "lan"
[[port]]
name = "x"
type = "tap"
netns = "pc-c"
bridge = "lan"
)");
    CHECK(
        lab.problems() ==
        "lab.toml: site site-b: port x is in the network namespace pc-c, and the lab has no host or site of "
        "that name: name a host like that");

    lab.write("site-b.toml", R"([node]
name = "site-b"
[[bridge]]
name = "lan"
[[port]]
name = "x"
type = "packet"
bridge = "lan"
)");
    CHECK(
        lab.problems() ==
        "lab.toml: site site-b: port x is on the device x of site-b, where no link of the lab ends: give it "
        "a [[link]] with the end \"site-b:x\"");

    lab.site("b", "2", "c", "3");
    CHECK(lab.problems() ==
          "lab.toml: the endpoint of peer site-c of site site-b is site-c, and no node of the lab has that "
          "name: a simulation asks no name server, so name the node like that");
    std::filesystem::remove(lab.folder / "site-b.toml");
    CHECK(lab.problems() ==
          "site-b.toml: No such file or directory, the configuration of site site-b: correct its `config` in "
          "lab.toml, or write it");
}

TEST_CASE("the report of a simulation tells of the sites' peers") {
    const TwoSites lab;
    const auto result = lab.simulate();
    const auto report = lab::report_simulation(lab.topology(), result);
    CHECK(report.at("peers").size() == 2);
    CHECK(report.at("peers")[1].at("site") == "site-b");
    CHECK(report.at("peers")[1].at("peer") == "site-a");
    CHECK(report.at("notes").size() == 2);
    const auto text = lab::render_simulation(lab.topology(), result, false);
    CHECK(text.find("HANDSHAKES") != std::string::npos);
    CHECK(text.find("absent.key is not to be read: the key is made up") != std::string::npos);
}
