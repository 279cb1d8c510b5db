// Good files: what they are read as, and what becomes of them when they are damaged.
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "config/load.h"
#include "tests/support/key_folder.h"

namespace weft::config {

namespace {

// Every key of every section.
constexpr std::string_view full_file = R"([node]
name    = "site-a"
workers = 1
control = "/run/weft/site-a.sock"
state_dir = "/var/lib/elsewhere"
private_key_file = "a.key"
keylog  = "esp_sa"
busy_poll = "50us"

[offload]
tun_gso = false
tun_gro = true
udp_gso = false
udp_gro = false

[fastpath]
mode = "xdp"
max_flows = 1024
check_every = 256
uplinks = ["eth0", "eth1"]

[underlay]
device = "eth0"
esp    = "[::]:4500"
vxlan  = "0.0.0.0:4789"
mtu    = 1500
deny   = ["203.0.113.0/24", "203.0.113.7", "2001:db8::/32"]

[[bridge]]
name    = "lan"
vni     = 100
aging   = "5m"
max_stations = 100
max_stations_per_port = 50
gateway = ["10.10.0.1/24", "fd00:10::1/64"]
gateway_mac = "02:00:00:00:00:01"
masquerade = true

[[bridge]]
name = "local"
arp_suppress = true
max_stations = 16

[[port]]
name = "a1"
type = "tap"
netns = "host-a"
bridge = "lan"
vlan = 10
address = ["10.10.0.11/24"]
mac = "02:00:00:00:00:11"
mtu = 1400
txqueuelen = 500

[[port]]
name = "uplink"
type = "packet"
device = "eth1"
bridge = "local"
trunk = [10, 20]
spoof_check = true
mac = "02:00:00:00:00:13"
address = ["10.10.0.13/24"]

[[port]]
name = "weft0"
type = "tun"
address = ["10.20.1.1/24"]
kernel_routes = false

[[port]]
name = "c1"
type = "veth"
device = "eth0"
netns = "/proc/1/ns/net"
bridge = "lan"
vlan = 10
address = ["10.10.0.12/24"]
mac = "02:00:00:00:00:12"
mtu = 1400
txqueuelen = 500
patch = "tc"
isolated = true

[[route]]
to = "0.0.0.0/0"
via = "10.10.0.254"

[[route]]
to = "10.99.0.0/16"
peer = "site-b"

[[route]]
to = "10.98.0.0/16"
port = "weft0"

[[peer]]
name = "site-b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
preshared_key_file = "psk.key"
endpoint = "site-b.example:4500"
bridges = ["lan"]
prefixes = ["10.20.2.0/24", "fd00:20:2::/64"]
keepalive = "20s"
replay_window = 65536

[[peer]]
name = "plain"
encryption = "none"
endpoint = "192.0.2.3:4789"
bridges = ["lan"]

[[peer]]
name = "by-hand"
endpoint = "[2001:db8::4]:4500"

[peer.manual]
cipher = "aes-128-gcm"
send = { spi = 0x1001, key_file = "sa1.key" }
receive = { spi = 0x1002, key_file = "sa2.key" }
counter_file = "by-hand.counter"
)";

Config parsed(std::string_view text, const std::string& path) {
    auto config = parse(text, path);
    if (!config) {
        for (const std::string& problem : config.error()) MESSAGE(problem);
        FAIL("the file does not load");
    }
    return std::move(*config);
}

}  // namespace

TEST_CASE("every key of a full file arrives in its struct") {
    const test::KeyFolder keys;
    const Config config = parsed(full_file, keys.path() + "/site.toml");

    CHECK(config.node.name == "site-a");
    CHECK(config.node.control == "/run/weft/site-a.sock");
    CHECK(config.node.state_dir == "/var/lib/elsewhere");
    CHECK(config.node.keylog == keys.path() + "/esp_sa");
    REQUIRE(config.node.private_key);
    CHECK(config.node.private_key->bytes()[31] == 0x77);
    CHECK(config.node.public_key != PublicKey{});

    CHECK(config.underlay.device == "eth0");
    CHECK(config.underlay.esp == Endpoint::parse("[::]:4500"));
    CHECK(config.underlay.vxlan == Endpoint::parse("0.0.0.0:4789"));
    CHECK(config.underlay.mtu == 1500);
    CHECK(config.underlay.deny == std::vector{*Prefix::parse("203.0.113.0/24"),
                                              *Prefix::parse("203.0.113.7/32"),
                                              *Prefix::parse("2001:db8::/32")});

    CHECK(config.tuning == Tuning{.tun_gso = false,
                                  .tun_gro = true,
                                  .udp_gso = false,
                                  .udp_gro = false,
                                  .busy_poll = std::chrono::microseconds{50}});

    CHECK(config.fast_path == FastPath{.mode = FastPath::Mode::xdp,
                                       .max_flows = 1024,
                                       .check_every = 256,
                                       .uplinks = {"eth0", "eth1"}});
    CHECK(to_string(config.fast_path.mode) == "xdp");

    REQUIRE(config.bridges.size() == 2);
    const Bridge& lan = config.bridges[0];
    CHECK(lan.vni == Vni{100});
    CHECK(lan.aging == std::chrono::seconds{300});
    CHECK(lan.max_stations == 100);
    CHECK(lan.max_stations_per_port == 50);
    CHECK(lan.gateway == std::vector{*Prefix::parse("10.10.0.1/24"), *Prefix::parse("fd00:10::1/64")});
    CHECK(lan.gateway_mac == MacAddress::parse("02:00:00:00:00:01"));
    CHECK_FALSE(lan.arp_suppress);
    CHECK(lan.masquerade);
    CHECK_FALSE(config.bridges[1].vni);
    CHECK(config.bridges[1].arp_suppress);
    CHECK_FALSE(config.bridges[1].masquerade);
    CHECK(config.bridges[1].max_stations_per_port == 16);

    REQUIRE(config.ports.size() == 4);
    CHECK(config.ports[0].type == Port::Type::tap);
    CHECK(config.ports[0].device == "a1");
    CHECK(config.ports[0].netns == "host-a");
    CHECK(config.ports[0].vlan == VlanId{10});
    CHECK(config.ports[0].mac == MacAddress::parse("02:00:00:00:00:11"));
    CHECK(config.ports[0].mtu == 1400);
    CHECK(config.ports[0].txqueuelen == 500);
    CHECK(config.ports[2].txqueuelen == 1000);
    CHECK(config.ports[1].type == Port::Type::packet);
    CHECK(config.ports[1].device == "eth1");
    CHECK(config.ports[1].trunk == std::vector{VlanId{10}, VlanId{20}});
    CHECK(config.ports[1].spoof_check);
    CHECK_FALSE(config.ports[1].isolated);
    CHECK(config.ports[1].mac == MacAddress::parse("02:00:00:00:00:13"));
    CHECK(config.ports[1].address == std::vector{*Prefix::parse("10.10.0.13/24")});
    CHECK(config.ports[2].type == Port::Type::tun);
    CHECK_FALSE(config.ports[2].kernel_routes);
    CHECK(config.ports[3].type == Port::Type::veth);
    CHECK(config.ports[3].device == "eth0");
    CHECK(config.ports[3].netns == "/proc/1/ns/net");
    CHECK(config.ports[3].mac == MacAddress::parse("02:00:00:00:00:12"));
    CHECK(config.ports[3].mtu == 1400);
    CHECK(config.ports[3].patch == Port::Patch::tc);
    CHECK(config.ports[3].isolated);
    CHECK_FALSE(config.ports[3].spoof_check);
    CHECK(config.ports[0].patch == Port::Patch::automatic);

    REQUIRE(config.routes.size() == 4);
    CHECK(config.routes[0].via == IpAddress::parse("10.10.0.254"));
    CHECK(config.routes[1].peer == "site-b");
    CHECK(config.routes[2].port == "weft0");
    CHECK(config.routes[2].to == *Prefix::parse("10.98.0.0/16"));
    CHECK(config.routes[3].implied);
    CHECK(config.routes[3].to == *Prefix::parse("::/0"));
}

TEST_CASE("who knows where a peer is keeps a NAT's mapping to it, unless told otherwise") {
    const test::KeyFolder keys;
    const auto keepalive = [&](const std::string& line) {
        const Config config = parsed(R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
)" + line,
                                     keys.path() + "/n.toml");
        return config.peers.at(0).keepalive.count();
    };
    CHECK(keepalive("endpoint = \"192.0.2.2:4500\"") == 20);
    CHECK(keepalive("endpoint = \"b.example:4500\"\nkeepalive = \"0s\"") == 0);
    CHECK(keepalive("endpoint = \"b.example:4500\"\nkeepalive = \"5s\"") == 5);
    CHECK(keepalive("keepalive = \"5s\"") == 5);
    CHECK(keepalive("") == 0);
}

TEST_CASE("peers of every kind arrive in their structs") {
    const test::KeyFolder keys;
    const Config config = parsed(full_file, keys.path() + "/site.toml");

    REQUIRE(config.peers.size() == 3);
    const Peer& agreed = config.peers[0];
    CHECK(agreed.encryption == Peer::Encryption::esp);
    CHECK(agreed.public_key.bytes[0] == 1);
    REQUIRE(agreed.preshared_key);
    CHECK(agreed.preshared_key->bytes()[0] == 5);
    CHECK(agreed.endpoint_host == "site-b.example");
    CHECK(agreed.endpoint_port == 4500);
    CHECK(agreed.bridges == std::vector<std::string>{"lan"});
    CHECK(agreed.prefixes.size() == 2);
    CHECK(agreed.keepalive == std::chrono::seconds{20});
    CHECK(agreed.replay_window == 65536);
    CHECK_FALSE(agreed.manual);

    CHECK(config.peers[1].encryption == Peer::Encryption::none);
    CHECK(config.peers[1].endpoint_port == 4789);
    CHECK(config.peers[1].keepalive == std::chrono::seconds{0});

    const Peer& by_hand = config.peers[2];
    CHECK(by_hand.endpoint_host == "2001:db8::4");
    CHECK(by_hand.replay_window == 8192);
    CHECK(by_hand.keepalive == std::chrono::seconds{0});
    REQUIRE(by_hand.manual);
    CHECK(by_hand.manual->outbound.spi == 0x1001);
    CHECK(by_hand.manual->outbound.cipher == Cipher::aes_128_gcm);
    CHECK(by_hand.manual->outbound.key.bytes()[15] == 1);
    CHECK(by_hand.manual->outbound.key.bytes()[16] == 0);
    CHECK(by_hand.manual->outbound.salt == std::array<std::uint8_t, 4>{1, 1, 1, 1});
    CHECK(by_hand.manual->inbound.spi == 0x1002);
    CHECK(by_hand.manual->inbound.salt == std::array<std::uint8_t, 4>{2, 2, 2, 2});
    CHECK(by_hand.manual->counter_file == keys.path() + "/by-hand.counter");
}

TEST_CASE("a name is configuration enough") {
    const Config config = parsed("[node]\nname = \"n\"\n", "n.toml");
    CHECK(config.node.control == "/run/weft/n.sock");
    CHECK(config.node.state_dir == "/var/lib/weft");
    CHECK(config.node.workers == 1);
    CHECK_FALSE(config.node.private_key);
    CHECK(config.underlay.esp == Endpoint::parse("0.0.0.0:4500"));
    CHECK(config.underlay.vxlan == Endpoint::parse("0.0.0.0:4789"));
    CHECK(config.tuning == Tuning{});
}

TEST_CASE("durations are read in every unit") {
    struct Example {
        std::string_view text;
        int seconds;
    };

    for (const auto& [text, seconds] :
         {Example{"7s", 7}, {"5m", 300}, {"1h", 3600}, {"2000ms", 2}, {"3000000us", 3}}) {
        CAPTURE(text);
        std::string file = "[node]\nname = \"n\"\n[[bridge]]\nname = \"lan\"\naging = \"";
        file.append(text).append("\"\n");
        CHECK(parsed(file, "n.toml").bridges[0].aging == std::chrono::seconds{seconds});
    }
}

TEST_CASE("all mistakes of a file are reported at once and in its order") {
    const test::KeyFolder keys;
    const std::string path = keys.path() + "/site.toml";
    const auto config = parse(R"([[peer]]
name = "b"
bridges = ["lam"]
prefixes = ["10.1.0.1/16"]
[node]
nam = "n"
private_key_file = "gone.key"
[[bridge]]
name = "lan"
vni = 16777216
[[port]]
name = "a"
type = "tap"
bridge = "lan"
vlan = "ten"
[[bridge]]
name = "lan"
aging = "5x"
)",
                              path);
    REQUIRE_FALSE(config.has_value());
    std::vector<std::string> problems;
    for (const std::string& problem : config.error()) problems.push_back(keys.shorten(problem, path));
    CHECK(
        problems ==
        std::vector<std::string>{
            R"(1:1: an encrypted peer needs a key: add public_key = "...", as weft pubkey prints it at the peer)",
            R"(3:12: there is no bridge 'lam': did you mean 'lan'?)",
            R"(4:13: '10.1.0.1/16' has host bits set: write "10.1.0.0/16")",
            R"(5:1: [node] has no 'name': add name = "site-a")",
            R"(6:1: unknown key 'nam' in [node]: did you mean 'name'?)",
            R"(7:20: key file DIR/gone.key: No such file or directory: make one with: )"
            R"((umask 077; weft genkey > DIR/gone.key))",
            R"(10:7: 'vni' is 16777216: use 1 to 16777215)",
            R"(15:8: 'vlan' must be an integer, not a string: write vlan = 10)",
            R"(17:8: a second bridge 'lan': rename it or the one in line 9)",
            R"(18:9: '5x' is not a duration: write a whole number and its unit, us, ms, s, m or h, as in "300s")"});
}

TEST_CASE("a file cut anywhere either loads or is reported line by line") {
    const test::KeyFolder keys;
    const std::string path = keys.path() + "/site.toml";
    for (std::size_t size = 0; size < full_file.size(); ++size) {
        const auto config = parse(full_file.substr(0, size), path);
        if (config) continue;
        REQUIRE_FALSE(config.error().empty());
        for (const std::string& problem : config.error()) {
            CAPTURE(problem);
            REQUIRE(problem.starts_with(path + ':'));
            REQUIRE(problem.find('\n') == std::string::npos);
        }
    }
}

TEST_CASE("a file with any byte changed either loads or is reported") {
    const test::KeyFolder keys;
    const std::string path = keys.path() + "/site.toml";
    std::string text{full_file};
    for (std::size_t i = 0; i < text.size(); ++i) {
        for (const char change : {'\x01', '\x20', '\x7F'}) {
            text[i] = static_cast<char>(text[i] ^ change);
            const auto config = parse(text, path);
            const bool is_explained = config.has_value() || !config.error().empty();
            REQUIRE(is_explained);
            text[i] = static_cast<char>(text[i] ^ change);
        }
    }
}

TEST_CASE("load reads what is in the file, and says why it cannot") {
    const test::KeyFolder keys;
    const auto config = load(keys.write("site.toml", full_file));
    REQUIRE(config.has_value());
    CHECK(config->node.name == "site-a");

    const auto gone = load(keys.path() + "/gone.toml");
    REQUIRE_FALSE(gone.has_value());
    CHECK(gone.error() ==
          Problems{keys.path() + "/gone.toml:1:1: cannot read the file: No such file or directory: "
                                 "give the path of a configuration file that weft may read"});
    CHECK_FALSE(load(keys.path()).has_value());
    CHECK_FALSE(load(keys.write("huge.toml", std::string((16U << 20U) + 1, '#'))).has_value());
}

}  // namespace weft::config
