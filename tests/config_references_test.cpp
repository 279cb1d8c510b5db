// What sections say about one another.
#include "tests/support/config_mistake.h"

namespace weft::test {

namespace {

// clang-format off
const std::vector<Mistake> mistakes{
    {"a second bridge of a name",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
[[bridge]]
name = "lan"
vni = 101
)",
     {R"(8:8: a second bridge 'lan': rename it or the one in line 5)"}},
    {"a second bridge with a VNI",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
[[bridge]]
name = "dmz"
vni = 100
)",
     {R"(9:7: a second bridge with VNI 100: change it or the one in line 6)"}},
    {"a second port of a name",
     R"([node]
name = "n"
private_key_file = "a.key"
[[port]]
name = "t"
type = "tun"
[[port]]
name = "t"
type = "tun"
)",
     {R"(8:8: a second port 't': rename it or the one in line 5)"}},
    {"a second port with a device in a namespace",
     R"([node]
name = "n"
private_key_file = "a.key"
[[port]]
name = "t"
type = "tun"
netns = "x"
[[port]]
name = "u"
type = "tun"
device = "t"
netns = "/run/netns/x"
)",
     {R"(11:10: a second port with device 't': change its device or netns, or those of the port in line 5)"}},
    {"a second port whose name is a device in use",
     R"([node]
name = "n"
private_key_file = "a.key"
[[port]]
name = "u"
type = "tun"
device = "t"
[[port]]
name = "t"
type = "tun"
)",
     {R"(9:8: a second port with device 't': change its device or netns, or those of the port in line 7)"}},
    {"a second peer of a name",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
[[peer]]
name = "b"
public_key = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
)",
     {R"(8:8: a second peer 'b': rename it or the one in line 5)"}},
    {"a second peer with a public key",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
[[peer]]
name = "c"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
)",
     {R"(9:14: a second peer with this public key: change it or the one in line 6: each node has a key of its own)"}},
    {"a peer with the node's own public key",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "HPV5q6RaELodHvBtkfyiqp7QoRUFFWUxVUBdCxjLmmc="
)",
     {R"(6:14: this is the node's own public key: write the one that weft pubkey prints at the peer)"}},
    {"a port on a misspelled bridge",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
[[port]]
name = "a"
type = "tap"
bridge = "lam"
)",
     {R"(10:10: there is no bridge 'lam': did you mean 'lan'?)"}},
    {"a port on a bridge that there is not",
     R"([node]
name = "n"
private_key_file = "a.key"
[[port]]
name = "a"
type = "tap"
bridge = "lan"
)",
     {R"(7:10: there is no bridge 'lan': add a [[bridge]] of this name)"}},
    {"a bridge stretched twice and an unknown one",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
bridges = ["lan", "wan", "lan"]
)",
     {R"(10:19: there is no bridge 'wan': did you mean 'lan'?)",
      R"(10:26: 'lan' stands twice in 'bridges': remove one)"}},
    {"a stretched bridge without a VNI",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
bridges = ["lan"]
)",
     {R"(9:12: bridge 'lan' has no VNI and cannot be stretched to a peer: add vni = 100 to the bridge)"}},
    {"routes to nobody",
     R"([node]
name = "n"
private_key_file = "a.key"
[[route]]
to = "10.0.0.0/8"
peer = "b"
[[route]]
to = "11.0.0.0/8"
port = "t"
)",
     {R"(6:8: there is no peer 'b': add a [[peer]] of this name)",
      R"(9:8: there is no port 't': add a [[port]] of this name)"}},
    {"a route to a tap port",
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
[[route]]
to = "10.0.0.0/8"
port = "a"
)",
     {R"(13:8: port 'a' is not a tun port and takes no routes: name a tun port, or write via = "...", a host on the port's bridge)"}},
    {"a route to a plain peer",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
encryption = "none"
endpoint = "192.0.2.2:4789"
[[route]]
to = "10.0.0.0/8"
peer = "b"
)",
     {R"(10:8: peer 'b' has encryption = "none" and takes no routes: routes need a peer with encryption = "esp")"}},
    {"overlapping prefixes of two peers",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
prefixes = ["10.20.2.0/24"]
[[peer]]
name = "c"
public_key = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
prefixes = ["10.30.0.0/16", "10.20.0.0/16"]
)",
     {R"(11:29: 10.20.0.0/16, a prefix of peer 'c', overlaps 10.20.2.0/24, a prefix of peer 'b': change it or the one in line 7)"}},
    {"the default route at two peers",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
prefixes = ["0.0.0.0/0"]
[[peer]]
name = "c"
public_key = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
prefixes = ["10.0.0.0/8"]
)",
     {R"(11:13: 10.0.0.0/8, a prefix of peer 'c', overlaps 0.0.0.0/0, a prefix of peer 'b': change it or the one in line 7)"}},
    {"overlapping gateways of two bridges",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
gateway = ["10.0.0.1/16"]
[[bridge]]
name = "dmz"
vni = 101
gateway = ["10.0.7.1/24"]
)",
     {R"(11:12: 10.0.7.0/24, a network of bridge 'dmz', overlaps 10.0.0.0/16, a network of bridge 'lan': change it or the one in line 7)"}},
    {"two routes to a prefix",
     R"([node]
name = "n"
private_key_file = "a.key"
[[port]]
name = "t"
type = "tun"
[[route]]
to = "10.0.0.0/8"
port = "t"
[[route]]
to = "10.0.0.0/8"
port = "t"
)",
     {R"(11:6: 10.0.0.0/8, the target of a route, is already the target of a route: change it or the one in line 8)"}},
    {"a route to a peer's prefix",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
prefixes = ["10.0.0.0/8"]
[[port]]
name = "t"
type = "tun"
[[route]]
to = "10.0.0.0/8"
port = "t"
)",
     {R"(12:6: 10.0.0.0/8, the target of a route, is already a prefix of peer 'b': change it or the one in line 7)"}},
    {"a peer's prefix that is a bridge's network",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
gateway = ["10.0.0.1/24"]
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
prefixes = ["10.0.0.0/24"]
)",
     {R"(11:13: 10.0.0.0/24, a prefix of peer 'b', is already a network of bridge 'lan': change it or the one in line 7)"}},
    {"a next hop on no network",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
gateway = ["10.0.0.1/24"]
[[route]]
to = "0.0.0.0/0"
via = "10.0.1.2"
)",
     {R"(10:7: 10.0.1.2 is on no network of this node: add a gateway address in its network to a bridge, or lead the route to a peer or port)"}},
    {"a next hop that is the node itself",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
gateway = ["10.0.0.1/24"]
[[route]]
to = "0.0.0.0/0"
via = "10.0.0.1"
)",
     {R"(10:7: 10.0.0.1 is this node's own address: write another router's address)"}},
    {"an IPv6 peer on an IPv4 underlay",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
endpoint = "[2001:db8::2]:4500"
)",
     {R"(7:12: 2001:db8::2 cannot be reached from 0.0.0.0:4500: write esp = "[::]:4500" in [underlay])"}},
    {"two plain peers at an address",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
encryption = "none"
endpoint = "192.0.2.2:4789"
[[peer]]
name = "c"
encryption = "none"
endpoint = "192.0.2.2:4790"
)",
     {R"(11:12: a second peer with encryption = "none" at 192.0.2.2: change it or the one in line 7)"}},
};
// clang-format on

}  // namespace

TEST_CASE("sections that do not fit one another are reported where the second stands") {
    check_reports(mistakes);
}

}  // namespace weft::test
