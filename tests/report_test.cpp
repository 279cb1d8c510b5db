#include "cli/report.h"

#include <set>
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace weft;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

constexpr PortId tap{0};
constexpr PortId tunnel{1};
constexpr PortId plain_tunnel{2};
constexpr PortId leg{3};
constexpr PortId tun{4};
constexpr PortId nameless{9};

Prefix prefix(std::string_view text) {
    return Prefix::parse(text).value_or(Prefix{});
}

IpAddress address(std::string_view text) {
    return IpAddress::parse(text).value_or(IpAddress{});
}

Names example_names() {
    Names names;
    names.node.name = "site-a";
    names.node.pid = 412;
    names.node.uptime = 192s + 345ms;
    names.node.public_key = PublicKey{};
    names.node.esp = Endpoint{.address = {}, .port = 4500};
    names.node.workers = 2;
    names.node.why_no_fast_path = "switched off";
    names.node.failed_paths = {{"port a1", "nothing arrives"}};
    names.node.warnings = {"keylog is on"};
    names.node.uplinks = {{.device = "eth0", .early_drop = "xdp native"},
                          {.device = "wg0", .why_not = "no Ethernet"}};

    auto& a1 = names.ports[tap];
    a1.name = "a1";
    a1.bridge = "lan";
    a1.device = "a1";
    a1.netns = "host-a";
    a1.mtu = 1408;
    a1.mac = MacAddress{{2, 0, 0, 0, 0, 1}};
    a1.vlan = VlanId{10};
    a1.addresses = {prefix("10.10.0.11/24")};
    a1.spoof_check = true;
    a1.isolated = true;
    for (const auto& [id, name] : {std::pair{tunnel, "site-b"}, std::pair{plain_tunnel, "kernel"}}) {
        names.ports[id].name = name;
        names.ports[id].kind = PortInfo::Kind::tunnel;
        names.ports[id].peer = name;
    }
    names.ports[leg].name = "lan";
    names.ports[leg].kind = PortInfo::Kind::leg;
    names.ports[tun].name = "weft0";
    names.ports[tun].kind = PortInfo::Kind::tun;

    names.bridges[BridgeId{0}] = {.name = "lan", .vni = Vni{100}};
    names.bridges[BridgeId{1}] = {.name = "local", .vni = {}};

    auto& site_b = names.peers[PeerId{0}];
    site_b.name = "site-b";
    site_b.public_key = PublicKey{};
    site_b.bridges = {"lan"};
    site_b.prefixes = {prefix("10.20.2.0/24"), prefix("fd00:2::/64")};
    site_b.last_handshake = 61s;
    site_b.handshakes = 3;
    names.peers[PeerId{1}].name = "kernel";
    names.peers[PeerId{1}].protection = PeerInfo::Protection::none;
    return names;
}

PortSnapshot port_snapshot(PortId id, const TrafficCounters& traffic = {}) {
    return {.port = id, .traffic = traffic, .drops = {}};
}

Snapshot example_snapshot() {
    Snapshot snapshot;
    snapshot.ports = {
        port_snapshot(tap, {.rx_packets = 1, .rx_bytes = 60, .tx_packets = 2, .tx_bytes = 120}),
        port_snapshot(tunnel, {.rx_packets = 3, .rx_bytes = 180, .tx_packets = 4, .tx_bytes = 240}),
        port_snapshot(plain_tunnel), port_snapshot(nameless)};
    snapshot.ports[0].drops.add(Drop::no_member, 5);
    snapshot.ports[0].drops.add(Drop::truncated);
    snapshot.ports[0].ring_drops = 3;
    snapshot.ports[1].drops.add(Drop::foreign_vni, 7);
    snapshot.underlay_drops.add(Drop::unknown_spi, 9);
    snapshot.offload = {.flows = 7, .inserted = 8, .withdrawn = 1, .put_off = 2, .checked = 3};

    PeerSnapshot site_b{
        .peer = PeerId{0}, .port = tunnel, .endpoint = {}, .cipher = {}, .session_age = {}, .last_heard = {}};
    site_b.endpoint = Endpoint::parse("192.0.2.2:4500");
    site_b.cipher = Cipher::aes_128_gcm;
    site_b.session_age = 60s;
    site_b.last_heard = 1500ms;
    site_b.sealed_packets = 4;
    const PeerSnapshot kernel{.peer = PeerId{1},
                              .port = plain_tunnel,
                              .endpoint = {},
                              .cipher = {},
                              .session_age = {},
                              .last_heard = {}};
    site_b.workers = {{.rx_packets = 3, .rx_bytes = 180}, {.tx_packets = 4, .tx_bytes = 240}};
    snapshot.peers = {site_b, kernel};

    const auto station = [](BridgeId bridge, VlanId vlan, PortId port) {
        return StationSnapshot{
            .bridge = bridge,
            .entry = {.mac = MacAddress{{2, 0, 0, 0, 0, 7}}, .vlan = vlan, .port = port, .last_seen = {}},
            .age = 2500ms};
    };
    snapshot.stations = {station(BridgeId{0}, VlanId{10}, tap), station(BridgeId{1}, untagged, nameless),
                         station(BridgeId{5}, untagged, tunnel)};
    snapshot.routes = {
        {.to = prefix("10.20.2.0/24"), .out = tunnel, .via = {}, .origin = Route::Origin::peer},
        {.to = prefix("0.0.0.0/0"),
         .out = no_port,
         .via = address("10.10.0.254"),
         .origin = Route::Origin::configured},
        {.to = prefix("fd00::/64"), .out = leg, .via = {}, .origin = Route::Origin::connected},
    };
    snapshot.neighbors = {{.leg = leg,
                           .address = address("10.10.0.254"),
                           .mac = MacAddress{{2, 0, 0, 0, 0, 9}},
                           .reachable = true},
                          {.leg = leg, .address = address("10.10.0.9"), .mac = {}, .reachable = false}};
    snapshot.workers = {{.rx_packets = 1, .rx_bytes = 60, .tx_packets = 2, .tx_bytes = 120},
                        {.rx_packets = 3, .rx_bytes = 180, .tx_packets = 4, .tx_bytes = 240}};
    snapshot.pool_available = 1000;
    snapshot.pool_size = 1024;
    return snapshot;
}

std::set<std::string> keys_of(const json& object) {
    std::set<std::string> keys;
    for (const auto& item : object.items()) keys.insert(item.key());
    return keys;
}

}  // namespace

TEST_CASE("the status has all of its keys and the counts of the snapshot") {
    const auto status = report_status(example_snapshot(), example_names());
    CHECK(status == json::parse(R"({
        "version": ")" WEFT_VERSION R"(", "name": "site-a", "pid": 412, "uptime_s": 192.345, "workers": 2,
        "per_worker": [
            {"worker": 0, "rx_packets": 1, "rx_bytes": 60, "tx_packets": 2, "tx_bytes": 120},
            {"worker": 1, "rx_packets": 3, "rx_bytes": 180, "tx_packets": 4, "tx_bytes": 240}],
        "public_key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "underlay": {"esp": "0.0.0.0:4500", "vxlan": null, "device": null},
        "bridges": 2, "ports": 4, "peers": 2, "peers_up": 1, "stations": 3, "routes": 3,
        "pool": {"size_packets": 1024, "available_packets": 1000},
        "fast_path": {"mode": "off", "why_not": "switched off", "flows": 7, "inserted": 8, "withdrawn": 1,
            "put_off": 2, "checked_packets": 3, "differed_packets": 0, "failed_paths": {"port a1": "nothing arrives"},
            "uplinks": [{"device": "eth0", "early_drop": "xdp native", "why_not": null},
                        {"device": "wg0", "early_drop": null, "why_not": "no Ethernet"}]},
        "warnings": ["keylog is on"]})"));
}

TEST_CASE("a port is reported with its configuration and its counters") {
    const auto ports = report_ports(example_snapshot(), example_names()).at("ports");
    REQUIRE(ports.size() == 4);
    CHECK(ports[0] == json::parse(R"({
        "port": "a1", "kind": "tap", "bridge": "lan", "peer": null, "device": "a1", "netns": "host-a",
        "mtu_bytes": 1408, "mac": "02:00:00:00:00:01", "vlan": 10, "trunk": [], "addresses": ["10.10.0.11/24"],
        "spoof_check": true, "isolated": true, "rx_packets": 1, "rx_bytes": 60, "tx_packets": 2, "tx_bytes": 120, "dropped_packets": 6,
        "ring_drops": 3, "impair": null})"));
    CHECK(ports[1].at("kind") == "tunnel");
    CHECK(ports[1].at("peer") == "site-b");
    CHECK(ports[1].at("ring_drops").is_null());
    CHECK(ports[1].at("spoof_check") == false);
    CHECK(ports[1].at("isolated") == false);
}

TEST_CASE("an impaired port is reported with what its link is set to and has done") {
    Snapshot snapshot = example_snapshot();
    Names names = example_names();
    PortLink link;
    link.in.rate = 10'000'000;
    names.ports.at(snapshot.ports[0].port).link = link;
    snapshot.ports[0].link.emplace();
    snapshot.ports[0].link->out.counters.lost = 7;
    snapshot.ports[0].link->out.queued_bytes = 99;
    const auto impair = report_ports(snapshot, names).at("ports").at(0).at("impair");
    CHECK(impair.at("in").at("settings") == json{{"rate", "10mbit"}});
    CHECK(impair.at("out").at("settings") == json::object());
    CHECK(impair.at("out").at("lost_packets") == 7);
    CHECK(impair.at("out").at("queued_bytes") == 99);
    CHECK(impair.at("out").size() == 18);
}

TEST_CASE("a port without a name has the same keys, and its number for a name") {
    const auto ports = report_ports(example_snapshot(), example_names()).at("ports");
    CHECK(ports[3].at("port") == "port 9");
    CHECK(ports[3].at("kind").is_null());
    for (const auto& port : ports) CHECK(keys_of(port) == keys_of(ports[0]));
}

TEST_CASE("a station is reported with its bridge, VLAN, port and age") {
    const auto stations = report_fdb(example_snapshot(), example_names()).at("stations");
    REQUIRE(stations.size() == 3);
    CHECK(stations[0] == json::parse(R"({"bridge": "lan", "vni": 100, "vlan": 10, "mac": "02:00:00:00:00:07",
                                         "port": "a1", "kind": "tap", "age_s": 2.5})"));
    CHECK(stations[1].at("vni").is_null());
    CHECK(stations[1].at("vlan").is_null());
    CHECK(stations[2].at("bridge") == "bridge 5");
}

TEST_CASE("a flow is reported with its addresses, its ports and what it has carried") {
    Snapshot snapshot;
    Flow flow;
    flow.key.protocol = 6;
    flow.key.source = address("10.0.0.1");
    flow.key.source_port = 1000;
    flow.key.destination = address("10.0.0.2");
    flow.key.destination_port = 80;
    flow.key.source_mac = MacAddress{{2, 0, 0, 0, 0, 1}};
    flow.in = tap;
    flow.out = tunnel;
    flow.state = Flow::State::established;
    flow.packets = 3;
    flow.bytes = 4000;
    flow.bytes_per_second = 1000;
    snapshot.flows.push_back({flow, 61s, 1500ms});
    flow.bridge = Flow::routed;
    snapshot.flows.push_back({flow, 1s, 0s});
    snapshot.flow_table = {.flows = 2, .limit = 64, .evicted = 5};

    const auto report = report_flows(snapshot, example_names());
    CHECK(report.at("flows").at(0) == json::parse(R"({
        "protocol": 6, "source": "10.0.0.1", "source_port": 1000, "destination": "10.0.0.2",
        "destination_port": 80, "bridge": "lan", "vlan": null, "source_mac": "02:00:00:00:00:01",
        "destination_mac": "00:00:00:00:00:00", "in": "a1", "out": "site-b", "state": "established",
        "path": "weft", "packets": 3, "bytes": 4000, "bits_per_s": 8000, "age_s": 61.0, "idle_s": 1.5})"));
    CHECK(report.at("flows").at(1).at("bridge").is_null());
    CHECK(report.at("flows").at(1).at("source_mac").is_null());
    CHECK(report.at("flow_table") == json{{"flows", 2}, {"limit", 64}, {"evicted", 5}});
}

TEST_CASE("routes name the port they leave by, or the next hop that decides it") {
    const auto result = report_routes(example_snapshot(), example_names());
    CHECK(result.at("routes") == json::parse(R"([
        {"to": "10.20.2.0/24", "via": null, "port": "site-b", "kind": "tunnel", "origin": "peer"},
        {"to": "0.0.0.0/0", "via": "10.10.0.254", "port": null, "kind": null, "origin": "configured"},
        {"to": "fd00::/64", "via": null, "port": "lan", "kind": "leg", "origin": "connected"}])"));
    CHECK(result.at("neighbors") == json::parse(R"([
        {"address": "10.10.0.254", "mac": "02:00:00:00:00:09", "port": "lan", "kind": "leg", "reachable": true},
        {"address": "10.10.0.9", "mac": null, "port": "lan", "kind": "leg", "reachable": false}])"));
}

TEST_CASE("a peer is reported with its session and the traffic of its tunnel") {
    const auto peers = report_peers(example_snapshot(), example_names()).at("peers");
    REQUIRE(peers.size() == 2);
    CHECK(peers[0] == json::parse(R"({
        "peer": "site-b", "state": "up", "protection": "esp", "endpoint": "192.0.2.2:4500",
        "public_key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "bridges": ["lan"], "prefixes": ["10.20.2.0/24", "fd00:2::/64"],
        "cipher": "aes-128-gcm", "session_age_s": 60.0, "sealed_packets": 4,
        "last_handshake_s": 61.0, "handshakes": 3, "last_heard_s": 1.5, "path_mtu_bytes": null,
        "rx_packets": 3, "rx_bytes": 180, "tx_packets": 4, "tx_bytes": 240, "dropped_packets": 7,
        "per_worker": [
            {"worker": 0, "rx_packets": 3, "rx_bytes": 180, "tx_packets": 0, "tx_bytes": 0},
            {"worker": 1, "rx_packets": 0, "rx_bytes": 0, "tx_packets": 4, "tx_bytes": 240}]})"));
    CHECK(keys_of(peers[1]) == keys_of(peers[0]));
    CHECK(peers[1].at("endpoint").is_null());
}

TEST_CASE("a peer is up with a session until it is silent, or if it is plain once it was heard") {
    auto names = example_names();
    auto snapshot = example_snapshot();
    const auto state = [&](std::size_t i) {
        return report_peers(snapshot, names).at("peers").at(i).at("state");
    };
    const auto up = [&] { return report_status(snapshot, names).at("peers_up"); };
    CHECK(state(1) == "down");
    snapshot.peers[1].last_heard = 2s;
    CHECK(state(1) == "up");
    CHECK(up() == 2);
    names.peers[PeerId{0}].silent = true;
    CHECK(state(0) == "silent");
    CHECK(up() == 1);
    snapshot.peers[0].session_age.reset();
    snapshot.peers[0].cipher.reset();
    CHECK(state(0) == "down");
    names.peers[PeerId{0}].handshaking = true;
    CHECK(state(0) == "handshaking");
    CHECK(up() == 1);
}

TEST_CASE("drops are listed by place and name, those that never occurred are not") {
    const auto drops = report_drops(example_snapshot(), example_names()).at("drops");
    REQUIRE(drops.size() == 5);
    CHECK(drops[0] == json{{"where", "port"},
                           {"name", "a1"},
                           {"drop", "truncated"},
                           {"packets", 1},
                           {"description", description(Drop::truncated)}});
    CHECK(drops[1].at("drop") == "no_member");
    CHECK(drops[2].at("where") == "port");
    CHECK(drops[2].at("name") == "a1");
    CHECK(drops[2].at("drop") == "ring_full");
    CHECK(drops[2].at("packets") == 3);
    CHECK(drops[3].at("where") == "peer");
    CHECK(drops[3].at("name") == "site-b");
    CHECK(drops[3].at("packets") == 7);
    CHECK(drops[4].at("where") == "underlay");
    CHECK(drops[4].at("name").is_null());
    CHECK(drops[4].at("drop") == "unknown_spi");
}

TEST_CASE("an empty node reports empty lists") {
    CHECK(report_ports({}, {}) == json{{"ports", json::array()}});
    CHECK(report_fdb({}, {}) == json{{"stations", json::array()}});
    CHECK(report_routes({}, {}) == json{{"routes", json::array()}, {"neighbors", json::array()}});
    CHECK(report_peers({}, {}) == json{{"peers", json::array()}});
    CHECK(report_drops({}, {}) == json{{"drops", json::array()}});
    CHECK(report_status({}, {}).at("warnings") == json::array());
}

TEST_CASE("denied prefixes are reported with what was dropped because of them") {
    Snapshot snapshot;
    snapshot.denied = {{prefix("203.0.113.0/24"), 3, 300}, {prefix("2001:db8::/32"), 5, 500, 4, true}};
    CHECK(report_denied(snapshot, example_names()) == json::parse(R"({"denied": [
        {"prefix": "203.0.113.0/24", "packets": 3, "bytes": 300, "kernel_packets": 0, "path": "weft"},
        {"prefix": "2001:db8::/32", "packets": 5, "bytes": 500, "kernel_packets": 4, "path": "kernel"}]})"));
    CHECK(report_denied({}, example_names()) == json{{"denied", json::array()}});
}
