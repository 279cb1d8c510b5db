// Sites in simulated labs whose configurations are valid and not the usual ones.
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "lab/simulation/simulation.h"
#include "tests/support/site_lab.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

// Sites a and b with a link between them, and hosts that their ports may be in.
constexpr std::string_view lab_text = R"([lab]
length = "10s"
[[site]]
name = "a"
config = "a.toml"
[[site]]
name = "b"
config = "b.toml"
[[host]]
name = "pc-a"
[[host]]
name = "pc-b"
[[host]]
name = "more-a"
[[host]]
name = "more-b"
[[link]]
name = "wan"
ends = ["a:wan0", "b:wan0"]
address = [$wan]
)";

constexpr std::string_view wan_v4 = R"("192.0.2.1/24", "192.0.2.2/24")";
constexpr std::string_view wan_v6 = R"("2001:db8::1/64", "2001:db8::2/64")";

std::string ping(std::string_view from, std::string_view to) {
    return filled("[[traffic]]\nkind = \"ping\"\nfrom = \"$from\"\nto = \"$to\"\nrate = 10\n",
                  {{"from", from}, {"to", to}});
}

// $own and $peer are "a" and "b", or the other way round; $number and $far, "1" and "2"; $key is any public
// key, since the sites' own are made up.
struct Pair : SiteLab {
    explicit Pair(const std::string& site, const std::string& traffic, std::string_view wan = wan_v4) {
        constexpr std::string_view key_a = "i1Iy47+lBxD+Jg43HvyTFKpzFZdnWNHzAXxICN/y7g0=";
        constexpr std::string_view key_b = "OsnTs5MinbeX+O2YNo6RhlE/TTAPPJrvKYnT3uPZo2U=";
        write("a.toml",
              filled(site, {{"own", "a"}, {"peer", "b"}, {"number", "1"}, {"far", "2"}, {"key", key_b}}));
        write("b.toml",
              filled(site, {{"own", "b"}, {"peer", "a"}, {"number", "2"}, {"far", "1"}, {"key", key_a}}));
        write("lab.toml", filled(std::string{lab_text}, {{"wan", wan}}) + traffic);
    }
};

constexpr const char* bridged = R"([node]
name = "$own"
private_key_file = "absent.key"
[[bridge]]
name = "lan"
vni = 100
[[port]]
name = "pc"
type = "tap"
netns = "pc-$own"
bridge = "lan"
address = ["10.10.0.$number/24"]
[[peer]]
name = "$peer"
public_key = "$key"
endpoint = "192.0.2.$far:4500"
bridges = ["lan"]
)";

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    const auto at = text.find(what);
    REQUIRE(at != std::string::npos);
    return text.replace(at, what.size(), by);
}

}  // namespace

TEST_CASE("a simulated site without ports, bridges and peers is a host") {
    const Pair lab("[node]\nname = \"$own\"\n", ping("a", "b"));
    const auto result = lab.simulate();
    CHECK(result.traffic[0].received_packets == 100);
    CHECK(result.peers.empty());
    CHECK(result.notes.empty());
}

TEST_CASE("a simulated site has one worker, whatever its configuration says") {
    const Pair one(bridged, ping("pc-a", "pc-b"));
    const auto with = [](std::string_view workers) {
        return replaced(bridged, "[node]\n", "[node]\nworkers = " + std::string{workers} + "\n");
    };
    CHECK(one.simulate().traffic[0].received_packets >= 98);
    CHECK(one.capture() == Pair(with("4"), ping("pc-a", "pc-b")).capture());
    CHECK(one.capture() == Pair(with("\"auto\""), ping("pc-a", "pc-b")).capture());
}

TEST_CASE("simulated sites with an underlay of IPv6 reach each other") {
    const Pair lab(replaced(replaced(bridged, "[[bridge]]", "[underlay]\nesp = \"[::]:4500\"\n[[bridge]]"),
                            "192.0.2.$far:4500", "[2001:db8::$far]:4500"),
                   ping("pc-a", "pc-b"), wan_v6);
    const auto result = lab.simulate();
    CHECK(result.traffic[0].received_packets >= 98);
    CHECK(result.links[0][0].delivered_packets >= 100);
}

TEST_CASE("the underlay of a simulated site is the device that it names") {
    const std::string by_device =
        replaced(bridged, "[[bridge]]", "[underlay]\ndevice = \"wan0\"\n[[bridge]]");
    CHECK(Pair(by_device, ping("pc-a", "pc-b")).simulate().traffic[0].received_packets >= 98);

    // By the other link it would be reached.
    const Pair other(replaced(bridged, "[[bridge]]", "[underlay]\ndevice = \"lan0\"\n[[bridge]]"),
                     ping("pc-a", "pc-b") + R"([[link]]
ends = ["a:lan0", "b:lan0"]
address = ["198.51.100.1/24", "198.51.100.2/24"]
)");
    CHECK(other.simulate().traffic[0].received_packets == 0);

    const Pair none(replaced(bridged, "[[bridge]]", "[underlay]\ndevice = \"eth7\"\n[[bridge]]"), "");
    CHECK(none.problems() ==
          "lab.toml: site a: [underlay] device eth7: no link of the lab ends there: correct it, or give it a "
          "[[link]] with the end \"a:eth7\"");
}

TEST_CASE("an underlay address that a simulated site does not have is told") {
    const Pair lab(replaced(bridged, "[[bridge]]", "[underlay]\nesp = \"192.0.2.9:4500\"\n[[bridge]]"), "");
    CHECK(
        lab.problems() ==
        "lab.toml: site a: [underlay] esp = \"192.0.2.9:4500\" is none of its addresses: correct it, or add "
        "it to a [[link]]");
    const Pair own(replaced(bridged, "[[bridge]]", "[underlay]\nesp = \"192.0.2.$number:4500\"\n[[bridge]]"),
                   ping("pc-a", "pc-b"));
    CHECK(own.simulate().traffic[0].received_packets >= 98);
}

TEST_CASE("simulated sites with keys that were set by hand need no handshake") {
    const std::string manual = replaced(bridged, "public_key = \"$key\"\n", "") + R"([peer.manual]
cipher = "aes-128-gcm"
counter_file = "$own.counter"
[peer.manual.send]
spi = 0x$number00
key_file = "$own.key"
[peer.manual.receive]
spi = 0x$far00
key_file = "$peer.key"
)";
    const Pair lab(manual, ping("pc-a", "pc-b"));
    lab.write_key("a.key", "AQEBAQEBAQEBAQEBAQEBAQEBAQE=");
    lab.write_key("b.key", "AgICAgICAgICAgICAgICAgICAgI=");
    const auto result = lab.simulate();
    CHECK(result.traffic[0].received_packets == 100);
    CHECK(result.peers[0].counted.handshakes == 0);
    CHECK(result.peers[0].counted.sent_packets >= 100);
    CHECK_FALSE(exists(lab.folder / "a.counter"));

    std::filesystem::remove(lab.folder / "a.key");
    CHECK(lab.problems().find("make one with: (umask 077; head -c 20 /dev/urandom | base64 > a.key)") !=
          std::string::npos);
}

TEST_CASE("a preshared key that is not there is made up, and told once for all peers that have it") {
    const Pair lab(replaced(bridged, "endpoint =", "preshared_key_file = \"absent.key\"\nendpoint ="),
                   ping("pc-a", "pc-b"));
    const auto result = lab.simulate();
    CHECK(result.traffic[0].received_packets >= 98);
    REQUIRE(result.notes.size() == 2);
    CHECK(lab.shortened(result.notes[0]) == "site a: absent.key is not to be read: the key is made up");
}

TEST_CASE("access ports of a simulated bridge with different VLANs do not hear each other") {
    const Pair lab(replaced(bridged, "[[peer]]", R"([[port]]
name = "more"
type = "veth"
netns = "more-$own"
bridge = "lan"
vlan = $number0
address = ["10.10.0.1$number/24"]
[[peer]]
)"),
                   ping("pc-a", "pc-b") + ping("more-a", "more-b"));
    const auto result = lab.simulate();
    CHECK(result.traffic[0].received_packets >= 98);
    CHECK(result.traffic[1].received_packets == 0);
    CHECK(result.traffic[1].sent_packets == 100);
}

TEST_CASE("a trunk between packet ports of simulated sites carries its VLANs") {
    const Pair lab(
        R"([node]
name = "$own"
[[bridge]]
name = "lan"
[[port]]
name = "trunk"
type = "packet"
device = "trunk0"
bridge = "lan"
trunk = [10, 20]
[[port]]
name = "ten"
type = "tap"
netns = "pc-$own"
bridge = "lan"
vlan = 10
address = ["10.10.0.$number/24"]
[[port]]
name = "thirty"
type = "tap"
netns = "more-$own"
bridge = "lan"
vlan = 30
address = ["10.30.0.$number/24"]
)",
        ping("pc-a", "pc-b") + ping("more-a", "more-b") + "[[link]]\nends = [\"a:trunk0\", \"b:trunk0\"]\n");
    const auto result = lab.simulate();
    CHECK(result.traffic[0].received_packets == 100);
    CHECK(result.traffic[1].received_packets == 0);
    CHECK(result.links[1][0].delivered_packets >= 100);
}

TEST_CASE("two packet ports of a simulated site at one switch are a loop, which ends and is counted") {
    const SiteLab lab;
    lab.write("site.toml", R"([node]
name = "site"
[[bridge]]
name = "lan"
[[port]]
name = "one"
type = "packet"
bridge = "lan"
[[port]]
name = "two"
type = "packet"
bridge = "lan"
)");
    lab.write("lab.toml", R"([lab]
length = "1s"
[[site]]
name = "site"
config = "site.toml"
[[switch]]
name = "switch"
[[host]]
name = "pc"
[[host]]
name = "other"
[[link]]
ends = ["site:one", "switch"]
[[link]]
ends = ["site:two", "switch"]
[[link]]
ends = ["pc", "switch"]
address = ["10.1.0.1/24", "none"]
[[link]]
ends = ["other", "switch"]
address = ["10.1.0.2/24", "none"]
)" + ping("pc", "other"));
    CHECK(lab.simulate().looped > 0);
}

TEST_CASE("a TUN without an address sends from another one of its host, and routes lead to it by name") {
    const Pair lab(R"([node]
name = "$own"
private_key_file = "absent.key"
[[bridge]]
name = "office"
gateway = ["172.16.$number.1/24"]
[[port]]
name = "desk"
type = "tap"
netns = "more-$own"
bridge = "office"
address = ["172.16.$number.2/24"]
[[port]]
name = "weft0"
type = "tun"
netns = "pc-$own"
[[route]]
to = "10.20.$number.0/24"
port = "weft0"
[[peer]]
name = "$peer"
public_key = "$key"
endpoint = "192.0.2.$far:4500"
prefixes = ["10.20.$far.0/24"]
)",
                   ping("pc-a", "pc-b") + R"([[link]]
ends = ["pc-a:lan0", "more-a:lan0"]
address = ["10.20.1.1/24", "none"]
[[link]]
ends = ["pc-b:lan0", "more-b:lan0"]
address = ["10.20.2.1/24", "none"]
)");
    CHECK(lab.simulate().traffic[0].received_packets >= 98);
}

TEST_CASE("a TUN without kernel routes is impaired like any other port") {
    const Pair lab(R"([node]
name = "$own"
private_key_file = "absent.key"
[[port]]
name = "weft0"
type = "tun"
netns = "pc-$own"
address = ["10.20.0.$number/24"]
kernel_routes = false
impair = { out = { delay = "30ms" } }
[[peer]]
name = "$peer"
public_key = "$key"
endpoint = "192.0.2.$far:4500"
prefixes = ["10.20.0.$far/32"]
)",
                   ping("pc-a", "pc-b"));
    const auto result = lab.simulate();
    CHECK(result.traffic[0].received_packets >= 95);
    CHECK(result.traffic[0].delays.quantile(0.5) >= 59ms);
    CHECK(result.traffic[0].delays.quantile(0.5) <= 61ms);
}

TEST_CASE("an interface of a simulated node cannot be made a second time") {
    const Pair lab(replaced(bridged, "netns = \"pc-$own\"", "device = \"wan0\""), "");
    CHECK(lab.problems() ==
          "lab.toml: site a: port pc: there is an interface wan0 already, where it would be made: name its "
          "`device` differently");
}

TEST_CASE("a route of a simulated host that leads nowhere is told") {
    const Pair lab(bridged, ping("pc-a", "pc-b") + R"([[host]]
name = "lost"
routes = [{ to = "10.99.0.0/16", device = "tun7" }]
)");
    const auto result = lab.simulate();
    REQUIRE(result.notes.size() == 3);
    CHECK(result.notes[2] == "lost: the route to 10.99.0.0/16 leads by no interface of it");
}

TEST_CASE("a simulated site answers a peer whose place it does not know") {
    const Pair lab(bridged, ping("pc-a", "pc-b"));
    lab.write("b.toml", filled(replaced(bridged, "endpoint = \"192.0.2.$far:4500\"\n", ""),
                               {{"own", "b"},
                                {"peer", "a"},
                                {"number", "2"},
                                {"far", "1"},
                                {"key", "i1Iy47+lBxD+Jg43HvyTFKpzFZdnWNHzAXxICN/y7g0="}}));
    CHECK(lab.simulate().traffic[0].received_packets >= 98);
}
