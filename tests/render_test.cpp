#include "cli/render.h"

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "cli/human.h"
#include "cli/table.h"

using namespace weft;
using nlohmann::json;

TEST_CASE("sizes have at most three figures and a binary unit") {
    struct Case {
        std::uint64_t bytes;
        std::string_view text;
    };

    constexpr std::uint64_t kib = 1024;
    constexpr Case cases[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1258291, "1.2 MiB"},
        {10 * kib - 1, "10 KiB"},
        {340 * kib * kib * kib, "340 GiB"},
        {1023 * kib, "1023 KiB"},
        {kib * kib - 1, "1.0 MiB"},
        {UINT64_MAX, "16 EiB"},
    };
    for (const auto& [bytes, text] : cases) CHECK(human_bytes(bytes) == text);
}

TEST_CASE("rates have at most three figures and a decimal unit") {
    CHECK(human_bit_rate(0) == "0 bit/s");
    CHECK(human_bit_rate(999) == "999 bit/s");
    CHECK(human_bit_rate(1234) == "1.2 kbit/s");
    CHECK(human_bit_rate(999'600) == "1.0 Mbit/s");
    CHECK(human_bit_rate(12'345'678'901) == "12 Gbit/s");
}

TEST_CASE("times have two units at most") {
    struct Case {
        double seconds;
        std::string_view text;
    };

    constexpr Case cases[] = {
        {0, "0.0s"},      {0.44, "0.4s"},   {0.94, "0.9s"},    {0.96, "1s"},
        {59.4, "59s"},    {59.6, "1m 0s"},  {192, "3m 12s"},   {3599.7, "1h 0m"},
        {18120, "5h 2m"}, {86400, "1d 0h"}, {371000, "4d 7h"}, {-3, "0.0s"},
    };
    for (const auto& [seconds, text] : cases) CHECK(human_duration(seconds) == text);
    CHECK(human_age(192) == "3m 12s ago");
    CHECK(human_age(0.01) == "now");
}

TEST_CASE("columns are aligned by characters, and no line ends with spaces") {
    Table table{{{"NAME"}, {"COUNT", Table::Align::right}, {"END"}}};
    table.add({{"grün"}, {"1"}, {"x"}});
    table.add({{"a"}, {"100000"}, {""}});
    CHECK(table.to_string(false) ==
          "NAME   COUNT  END\n"
          "grün       1  x\n"
          "a     100000  -\n");
}

TEST_CASE("colors change nothing but colors") {
    Table table{{{"STATE"}, {"X"}}};
    table.add({{"up", Table::Tone::good}, {"1"}});
    CHECK(table.to_string(true) ==
          "\033[1mSTATE\033[0m  \033[1mX\033[0m\n"
          "\033[32mup\033[0m     1\n");
}

TEST_CASE("the status is a page") {
    auto status = json::parse(R"({
        "version": "0.1.0", "name": "site-a", "pid": 412, "uptime_s": 192.3, "workers": 1, "public_key": "KEY=",
        "underlay": {"esp": "0.0.0.0:4500", "vxlan": "0.0.0.0:4789", "device": "eth0"},
        "bridges": 1, "ports": 4, "peers": 3, "peers_up": 2, "stations": 12, "routes": 1,
        "pool": {"size_packets": 1024, "available_packets": 1019}, "warnings": ["keylog is on"],
        "fast_path": {"mode": "tc", "why_not": null, "flows": 1, "failed_paths": {"port c1": "nothing arrives"}, "uplinks": [
            {"device": "eth0", "early_drop": "xdp native", "why_not": null},
            {"device": "eth1", "early_drop": null, "why_not": "nobody is denied"}]}})");
    CHECK(render("status", status, false) ==
          "site-a: weft 0.1.0, pid 412, up 3m 12s\n"
          "  public key  KEY=\n"
          "  underlay    ESP at 0.0.0.0:4500, plain VXLAN at 0.0.0.0:4789, on eth0\n"
          "  peers       2 of 3 up\n"
          "  switch      1 bridge, 4 ports, 12 stations, 1 route\n"
          "  buffers     1019 of 1024 free\n"
          "  workers     1\n"
          "  fast path   tc, 1 flow\n"
          "  no flows    port c1: nothing arrives\n"
          "  early drop  eth0: xdp native\n"
          "  early drop  eth1: none: nobody is denied\n"
          "warning: keylog is on\n");
    status["fast_path"] = {{"mode", "off"},
                           {"why_not", "switched off"},
                           {"flows", 0},
                           {"failed_paths", json::object()},
                           {"uplinks", json::array()}};
    status["public_key"] = nullptr;
    status["underlay"] = {{"esp", "[::]:4500"}, {"vxlan", nullptr}, {"device", nullptr}};
    status["warnings"] = json::array();
    CHECK(render("status", status, false) ==
          "site-a: weft 0.1.0, pid 412, up 3m 12s\n"
          "  underlay    ESP at [::]:4500\n"
          "  peers       2 of 3 up\n"
          "  switch      1 bridge, 4 ports, 12 stations, 1 route\n"
          "  buffers     1019 of 1024 free\n"
          "  workers     1\n"
          "  fast path   off: switched off\n");
}

TEST_CASE("ports are a table") {
    const auto result = json::parse(R"({"ports": [
        {"port": "a1", "kind": "tap", "bridge": "lan", "peer": null, "device": "a1", "netns": "host-a",
         "mtu_bytes": 1408, "mac": null, "vlan": 10, "trunk": [], "addresses": ["10.10.0.11/24", "fd00::1/64"],
         "spoof_check": true, "isolated": true,
         "rx_packets": 1, "rx_bytes": 60, "tx_packets": 2, "tx_bytes": 1258291, "dropped_packets": 6,
         "ring_drops": 12, "impair": null},
        {"port": "up", "kind": "packet", "bridge": "lan", "peer": null, "device": "eth1", "netns": null,
         "mtu_bytes": null, "mac": null, "vlan": null, "trunk": [10, 20], "addresses": [], "spoof_check": false, "isolated": false,
         "rx_packets": 0, "rx_bytes": 0, "tx_packets": 0, "tx_bytes": 0, "dropped_packets": 0,
         "ring_drops": null, "impair": {"in": {}, "out": {}}}]})");
    CHECK(render("ports", result, false) == &R"(
PORT  KIND    BRIDGE  VLAN          DEVICE         MTU  ADDRESS                    RULES                RX       TX  DROPPED  RING DROPS
a1    tap     lan     10            a1 in host-a  1408  10.10.0.11/24, fd00::1/64  guarded, isolated  60 B  1.2 MiB        6          12
up    packet  lan     trunk 10, 20  eth1             -  -                          impaired            0 B      0 B        0           -
)"[1]);
}

TEST_CASE("stations are a table") {
    const auto result = json::parse(R"({"stations": [
        {"bridge": "lan", "vni": 100, "vlan": null, "mac": "02:00:00:00:00:07", "port": "a1", "kind": "tap", "age_s": 0.0},
        {"bridge": "lan", "vni": 100, "vlan": 10, "mac": "02:00:00:00:00:08", "port": "site-b", "kind": "tunnel",
         "age_s": 192.2}]})");
    CHECK(render("fdb", result, false) ==
          "BRIDGE  VLAN  MAC                PORT    KIND          SEEN\n"
          "lan        -  02:00:00:00:00:07  a1      tap            now\n"
          "lan       10  02:00:00:00:00:08  site-b  tunnel  3m 12s ago\n");
}

TEST_CASE("routes are a table, with the neighbors below") {
    auto result = json::parse(R"({
        "routes": [{"to": "0.0.0.0/0", "via": "10.10.0.254", "port": null, "kind": null, "origin": "configured"},
                   {"to": "10.20.2.0/24", "via": null, "port": "site-b", "kind": "tunnel", "origin": "peer"}],
        "neighbors": [
            {"address": "10.10.0.254", "mac": "02:00:00:00:00:09", "port": "lan", "kind": "leg", "reachable": true},
            {"address": "10.10.0.9", "mac": null, "port": "lan", "kind": "leg", "reachable": false}]})");
    CHECK(render("routes", result, false) ==
          "TO            VIA          PORT    KIND    ORIGIN\n"
          "0.0.0.0/0     10.10.0.254  -       -       configured\n"
          "10.20.2.0/24  -            site-b  tunnel  peer\n"
          "\n"
          "NEIGHBOR     MAC                PORT  STATE\n"
          "10.10.0.254  02:00:00:00:00:09  lan   reachable\n"
          "10.10.0.9    -                  lan   unresolved\n");
    result["neighbors"] = json::array();
    CHECK(render("routes", result, false).ends_with("peer\n"));
}

TEST_CASE("peers are a table, and only those with handshakes tell of them") {
    const auto result = json::parse(R"({"peers": [
        {"peer": "site-b", "state": "up", "protection": "esp", "endpoint": "192.0.2.2:4500", "public_key": "KEY=",
         "bridges": ["lan"], "prefixes": ["10.20.2.0/24"], "cipher": "aes-128-gcm", "session_age_s": 61.0,
         "sealed_packets": 4, "last_handshake_s": 61.0, "handshakes": 3, "last_heard_s": 1.5, "path_mtu_bytes": 1500,
         "rx_packets": 3, "rx_bytes": 180, "tx_packets": 4, "tx_bytes": 2048, "dropped_packets": 7},
        {"peer": "c", "state": "down", "protection": "esp", "endpoint": null, "public_key": "KEY=",
         "bridges": [], "prefixes": [], "cipher": null, "session_age_s": null,
         "sealed_packets": 0, "last_handshake_s": null, "handshakes": 0, "last_heard_s": null, "path_mtu_bytes": null,
         "rx_packets": 0, "rx_bytes": 0, "tx_packets": 0, "tx_bytes": 0, "dropped_packets": 0},
        {"peer": "kernel", "state": "up", "protection": "none", "endpoint": "192.0.2.3:4789", "public_key": null,
         "bridges": ["lan"], "prefixes": [], "cipher": null, "session_age_s": null,
         "sealed_packets": 0, "last_handshake_s": null, "handshakes": 0, "last_heard_s": 0.0, "path_mtu_bytes": null,
         "rx_packets": 0, "rx_bytes": 0, "tx_packets": 0, "tx_bytes": 0, "dropped_packets": 0}]})");
    CHECK(render("peers", result, false) == &R"(
PEER    STATE  ENDPOINT        PROTECTION       REACHES            HANDSHAKE   HEARD  PATH MTU     RX       TX  DROPPED
site-b  up     192.0.2.2:4500  esp aes-128-gcm  lan, 10.20.2.0/24  1m 1s ago  2s ago      1500  180 B  2.0 KiB        7
c       down   -               esp              -                      never   never         -    0 B      0 B        0
kernel  up     192.0.2.3:4789  none             lan                        -     now         -    0 B      0 B        0
)"[1]);
    CHECK(render("peers", result, true).find("\033[31mdown\033[0m") != std::string::npos);
}

TEST_CASE("flows are a table, and the table's size is told below") {
    const auto result = json::parse(R"({"flows": [
        {"protocol": 6, "source": "10.0.0.1", "source_port": 1000, "destination": "10.0.0.2",
         "destination_port": 80, "bridge": "lan", "in": "a1", "out": "site-b", "state": "established", "path": "kernel",
         "packets": 3, "bytes": 4000, "bits_per_s": 8000, "age_s": 61.0, "idle_s": 1.5},
        {"protocol": 58, "source": "fd00::1", "source_port": 7, "destination": "fd00::2", "destination_port": 7,
         "bridge": null, "in": "a1", "out": "weft0", "state": "new", "path": "weft", "packets": 1, "bytes": 98,
         "bits_per_s": 0, "age_s": 1.0, "idle_s": 0.0}],
        "flow_table": {"flows": 2, "limit": 64, "evicted": 5}})");
    CHECK(render("flows", result, false) == &R"(
PROTO   SOURCE         DESTINATION  BRIDGE  IN  OUT     STATE        PATH          RATE  PACKETS    BYTES  IDLE
tcp     10.0.0.1:1000  10.0.0.2:80  lan     a1  site-b  established  kernel  8.0 kbit/s        3  3.9 KiB    2s
icmpv6  [fd00::1]:7    [fd00::2]:7  routed  a1  weft0   new          weft       0 bit/s        1     98 B  0.0s
2 of 64 flows known, 5 displaced
)"[1]);
}

TEST_CASE("drops are a table") {
    const auto result = json::parse(R"({"drops": [
        {"where": "port", "name": "a1", "drop": "no_route", "packets": 12, "description": "no route to the destination"},
        {"where": "underlay", "name": null, "drop": "unknown_spi", "packets": 3, "description": "no such SPI"}]})");
    CHECK(render("drops", result, false) ==
          "WHERE     NAME  REASON       PACKETS  MEANING\n"
          "port      a1    no_route          12  no route to the destination\n"
          "underlay  -     unknown_spi        3  no such SPI\n");
}

TEST_CASE("leases are a table, and how full their pools are is said below") {
    const auto result = json::parse(R"({"pools": [
        {"pool": "dmz", "prefix": "10.2.0.0/24", "size": 253, "used": 0, "leases": []},
        {"pool": "pods", "prefix": "10.1.0.0/24", "size": 253, "used": 3, "leases": [
            {"address": "10.1.0.5", "owner": "c1/eth0"}, {"address": "10.1.0.16", "owner": "c2/eth0"}]},
        {"pool": "pods", "prefix": "fd00::/64", "size": 18446744073709551614, "used": 1, "leases": [
            {"address": "fd00::5", "owner": "c1/eth0"}]}]})");
    CHECK(render("ipam", result, false) ==
          "POOL  ADDRESS    OWNER\n"
          "pods  10.1.0.5   c1/eth0\n"
          "pods  10.1.0.16  c2/eth0\n"
          "pods  fd00::5    c1/eth0\n"
          "dmz, 10.2.0.0/24: 0 of 253 used\n"
          "pods, 10.1.0.0/24: 3 of 253 used\n"
          "pods, fd00::/64: 1 used\n");
    const json unused{{"pools", {result.at("pools")[0]}}};
    CHECK(render("ipam", unused, false) == "no leases\ndmz, 10.2.0.0/24: 0 of 253 used\n");
}

TEST_CASE("what is empty is said in words") {
    CHECK(render("ports", {{"ports", json::array()}}, false) == "no ports\n");
    CHECK(render("fdb", {{"stations", json::array()}}, false) == "no stations learned yet\n");
    CHECK(render("routes", {{"routes", json::array()}, {"neighbors", json::array()}}, false) ==
          "no routes\n");
    CHECK(render("peers", {{"peers", json::array()}}, false) == "no peers configured\n");
    CHECK(render("drops", {{"drops", json::array()}}, false) == "nothing was dropped\n");
    CHECK(render("ipam", {{"pools", json::array()}}, false) == "no pools: a bridge with a gateway is one\n");
}

TEST_CASE("a result that lacks what it promises, and a method without a table, are errors") {
    for (const auto* method : {"status", "ports", "fdb", "routes", "peers", "drops", "ipam"}) {
        CHECK_THROWS_AS(render(method, json::object(), false), json::exception);
        CHECK_THROWS_AS(render(method, nullptr, false), json::exception);
    }
    CHECK_THROWS_AS(render("sing", json::object(), false), std::invalid_argument);
}

TEST_CASE("renewed keys are told by peer, and that there were none to renew") {
    CHECK(render("rekey", json{{"rekeyed", {"site-b", "site-c"}}}, false) ==
          "site-b: handshake started\nsite-c: handshake started\n");
    CHECK(render("rekey", json{{"rekeyed", json::array()}}, false) ==
          "no peer has a session: nothing to renew\n");
}

TEST_CASE("an event is a line with the local time") {
    ::setenv("TZ", "UTC-2", 1);  // two hours east of it
    ::tzset();
    const auto event = json::parse(R"({"time_s": 1764072000.007, "event": "peer_heard", "peer": "b",
                                       "description": "peer b: heard again"})");
    CHECK(render_event(event) == "2025-11-25 14:00:00.007  peer b: heard again");
}

TEST_CASE("denied prefixes are a table, and a change of them a line") {
    const auto result = json::parse(
        R"({"denied": [{"prefix": "203.0.113.0/24", "packets": 254, "bytes": 29696, "path": "kernel"},
        {"prefix": "2001:db8::/32", "packets": 0, "bytes": 0, "path": "weft"}]})");
    CHECK(render("deny", result, false) ==
          "PREFIX          PATH    PACKETS   BYTES\n"
          "203.0.113.0/24  kernel      254  29 KiB\n"
          "2001:db8::/32   weft          0     0 B\n");
    CHECK(render("deny", json{{"denied", json::array()}}, false) == "nobody is denied\n");
    CHECK(render("deny_add", json{{"prefix", "10.0.0.0/8"}, {"peers", {"site-b"}}}, false) ==
          "10.0.0.0/8: denied\nwarning: peer site-b is in it, and shut out\n");
    CHECK(render("deny_del", json{{"prefix", "10.0.0.0/8"}}, false) == "10.0.0.0/8: allowed again\n");
}
