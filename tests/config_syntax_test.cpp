// TOML and the schema: syntax, unknown and missing keys, wrong types.
#include "tests/support/config_mistake.h"

namespace weft::test {

namespace {

// clang-format off
const std::vector<Mistake> mistakes{
    {"a syntax error ends the reading",
     R"(x = 
)",
     {R"(1:5: Error while parsing key-value pair: expected value, saw '\n': correct the TOML here)"}},
    {"a key that stands twice",
     R"([node]
name = "n"
name = "m"
)",
     {R"(3:8: Error while parsing key-value pair: cannot redefine existing string 'name': correct the TOML here)"}},
    {"bytes that are not UTF-8",
     "[node]\nname = \"\xff\"\n",
     {R"(2:8: Encountered invalid utf-8 sequence: correct the TOML here)"}},
    {"an unterminated string",
     R"([node]
name = "n
)",
     {R"(2:10: Error while parsing string: unescaped control characters other than TAB (U+0009) are explicitly prohibited: correct the TOML here)"}},
    {"an empty file",
     R"()",
     {R"(1:1: the file has no 'node': add [node])"}},
    {"a misspelled section",
     R"([node]
name = "n"
[underlai]
)",
     {R"(3:2: unknown key 'underlai' in the file: did you mean 'underlay'?)"}},
    {"an unknown section",
     R"([node]
name = "n"
private_key_file = "a.key"
[vlans]
)",
     {R"(4:2: unknown key 'vlans' in the file: remove it; the keys are node, underlay, offload, fastpath, bridge, port, route, peer)"}},
    {"a misspelled key",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
agin = "5m"
)",
     {R"(7:1: unknown key 'agin' in [[bridge]]: did you mean 'aging'?)"}},
    {"an unknown key",
     R"([node]
name = "n"
private_key_file = "a.key"
[[route]]
to = "10.0.0.0/8"
peer = "b"
metric = 5
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
)",
     {R"(7:1: unknown key 'metric' in [[route]]: remove it; the keys are to, via, peer, port)"}},
    {"an unknown key that could break the line",
     R"([node]
name = "n"
private_key_file = "a.key"
[underlay]
"a\nb" = 1
)",
     {R"(5:1: unknown key 'a\x0ab' in [underlay]: remove it; the keys are device, esp, vxlan, mtu, deny)"}},
    {"a string for an integer",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = "100"
)",
     {R"(6:7: 'vni' must be an integer, not a string: write vni = 100)"}},
    {"an integer for a string",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = 5
)",
     {R"(5:8: 'name' must be a string, not an integer: write name = "lan")"}},
    {"a float for an integer",
     R"([node]
name = "n"
private_key_file = "a.key"
[underlay]
mtu = 1500.0
)",
     {R"(5:7: 'mtu' must be an integer, not a float: write mtu = 1500)"}},
    {"a date for a string",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = 1979-05-27
)",
     {R"(5:8: 'name' must be a string, not a date or time: write name = "lan")"}},
    {"a string for a boolean",
     R"([node]
name = "n"
private_key_file = "a.key"
[[port]]
name = "t"
type = "tun"
kernel_routes = "no"
)",
     {R"(7:17: 'kernel_routes' must be true or false, not a string: write kernel_routes = false)"}},
    {"a string for a list",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
gateway = "10.0.0.1/24"
)",
     {R"(6:11: 'gateway' must be a list of strings, not a string: write gateway = ["10.10.0.1/24"])"}},
    {"a list with an integer among strings",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
gateway = ["10.0.0.1/24",
  7]
)",
     {R"(7:3: 'gateway' must be a list of strings, not of an integer: write gateway = ["10.10.0.1/24"])"}},
    {"a list with a string among integers",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
[[port]]
name = "a"
type = "tap"
bridge = "lan"
trunk = [1, "2"]
)",
     {R"(11:13: 'trunk' must be a list of integers, not of a string: write trunk = [10, 20])"}},
    {"a table where a list of tables belongs",
     R"([node]
name = "n"
private_key_file = "a.key"
[port]
name = "a"
)",
     {R"(4:1: 'port' must be a list of tables, not a table: write [[port]])"}},
    {"a list of tables where a table belongs",
     R"([[node]]
name = "n"
)",
     {R"(1:1: 'node' must be a table, not a list: write [node])"}},
    {"a list of anything where tables belong",
     R"(peer = [1]
[node]
name = "n"
)",
     {R"(1:9: 'peer' must be a list of tables, not of an integer: write [[peer]])"}},
    {"a missing name",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
vni = 1
)",
     {R"(4:1: [[bridge]] has no 'name': add name = "lan")"}},
    {"a missing type",
     R"([node]
name = "n"
private_key_file = "a.key"
[[port]]
name = "a"
)",
     {R"(4:1: [[port]] has no 'type': add type = "tap")"}},
};
// clang-format on

}  // namespace

TEST_CASE("a mistake of form is reported where it stands") {
    check_reports(mistakes);
}

}  // namespace weft::test
