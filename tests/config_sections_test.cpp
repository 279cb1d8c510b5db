// What [node], [underlay] and [[bridge]] say about themselves.
#include "tests/support/config_mistake.h"

namespace weft::test {

namespace {

// clang-format off
const std::vector<Mistake> mistakes{
    {"a name with a space",
     R"([node]
name = "my node"
)",
     {R"(2:8: 'my node' is not a name: use 1 to 32 letters, digits, dots, underscores and hyphens)"}},
    {"a name that is too long",
     R"([node]
name = "abcdefghijklmnopqrstuvwxyz0123456"
)",
     {R"(2:8: 'abcdefghijklmnopqrstuvwxyz0123456' is not a name: use 1 to 32 letters, digits, dots, underscores and hyphens)"}},
    {"more workers than there can be",
     R"([node]
name = "n"
workers = 17
)",
     {R"(3:11: 'workers' is 17: write a number from 1 to 16, or "auto")"}},
    {"no worker",
     R"([node]
name = "n"
workers = 0
)",
     {R"(3:11: 'workers' is 0: write a number from 1 to 16, or "auto")"}},
    {"workers in words",
     R"([node]
name = "n"
workers = "one"
)",
     {R"(3:11: 'workers' is 'one': write a number from 1 to 16, or "auto")"}},
    {"a control path that no socket can have",
     R"([node]
name = "n"
control = "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
)",
     {R"(3:11: a Unix socket's path has 107 bytes at most: use a shorter one)"}},
    {"an empty path",
     R"([node]
name = "n"
keylog = ""
)",
     {R"(3:10: 'keylog' is not a path: write the path of a file)"}},
    {"polling for a duration without a unit",
     R"([node]
name = "n"
busy_poll = "50"
)",
     {R"(3:13: '50' is not a duration: write a whole number and its unit, us, ms, s, m or h, as in "50us")"}},
    {"polling that starves everybody else",
     R"([node]
name = "n"
busy_poll = "2ms"
)",
     {R"(3:13: 'busy_poll' is '2ms': use "0us" to "1000us")"}},
    {"an offload that is neither on nor off",
     R"([node]
name = "n"
[offload]
tun_gso = 1
)",
     {R"(4:11: 'tun_gso' must be true or false, not an integer: write tun_gso = true)"}},
    {"an offload that there is not",
     R"([node]
name = "n"
[offload]
tun_lro = true
)",
     {R"(4:1: unknown key 'tun_lro' in [offload]: did you mean 'tun_gro'?)"}},
    {"a fast path of a kind that there is not",
     R"([node]
name = "n"
[fastpath]
mode = "dpdk"
)",
     {R"(4:8: 'dpdk' is no mode of the fast path: write "auto" (where the kernel can), "tc" or "xdp" (or do not start) or "off")"}},
    {"a fast path that compares nothing",
     R"([node]
name = "n"
[fastpath]
check_every = 0
)",
     {R"(4:15: 'check_every' is 0: use 1 to 1000000000)"}},
    {"uplinks that are no devices, and one twice",
     R"([node]
name = "n"
[fastpath]
uplinks = ["eth0", "eth/0", "eth0"]
)",
     {R"(4:20: 'eth/0' cannot be the name of a network device: use 1 to 15 characters without '/', ':', '%' and white space)",
      R"(4:29: 'eth0' stands twice in 'uplinks': remove one)"}},
    {"an uplink that is not in a list",
     R"([node]
name = "n"
[fastpath]
uplinks = "eth0"
)",
     {R"(4:11: 'uplinks' must be a list of strings, not a string: write uplinks = ["eth0"])"}},
    {"an underlay address without a port",
     R"([node]
name = "n"
private_key_file = "a.key"
[underlay]
esp = "0.0.0.0"
)",
     {R"(5:7: '0.0.0.0' is not an address and a port: write it as in "0.0.0.0:4500" or "[::]:4500")"}},
    {"port zero",
     R"([node]
name = "n"
private_key_file = "a.key"
[underlay]
vxlan = "0.0.0.0:0"
)",
     {R"(5:9: '0.0.0.0:0' has port 0: use a port of 1 to 65535)"}},
    {"one port for both encapsulations",
     R"([node]
name = "n"
private_key_file = "a.key"
[underlay]
esp = "0.0.0.0:4789"
)",
     {R"(5:7: 'esp' and 'vxlan' have the same port 4789: give each a port of its own)"}},
    {"denied prefixes that are none, have host bits, and stand twice",
     R"([node]
name = "n"
[underlay]
deny = ["203.0.113.0/33", "10.1.2.3/8", "site-b", "10.0.0.0/8", "10.0.0.0/8"]
)",
     {R"(4:9: '203.0.113.0/33' is not a prefix: write it as in "10.20.2.0/24")",
      R"(4:27: '10.1.2.3/8' has host bits set: write "10.0.0.0/8")",
      R"(4:41: 'site-b' is not a prefix: write it as in "10.20.2.0/24")",
      R"(4:65: '10.0.0.0/8' stands twice in 'deny': remove one)"}},
    {"an underlay device with a slash",
     R"([node]
name = "n"
private_key_file = "a.key"
[underlay]
device = "eth/0"
)",
     {R"(5:10: 'eth/0' cannot be the name of a network device: use 1 to 15 characters without '/', ':', '%' and white space)"}},
    {"an MTU below what IPv4 needs",
     R"([node]
name = "n"
private_key_file = "a.key"
[underlay]
mtu = 575
)",
     {R"(5:7: 'mtu' is 575: use 576 to 65535)"}},
    {"an MTU below what IPv6 needs",
     R"([node]
name = "n"
private_key_file = "a.key"
[underlay]
esp = "[::]:4500"
mtu = 1279
)",
     {R"(6:7: an MTU of 1279 is too small for IPv6: use 1280 or more)"}},
    {"VNI 0",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 0
)",
     {R"(6:7: 'vni' is 0: use 1 to 16777215)"}},
    {"a VNI of 25 bits",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 16777216
)",
     {R"(6:7: 'vni' is 16777216: use 1 to 16777215)"}},
    {"a duration without a unit",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
aging = "300"
)",
     {R"(7:9: '300' is not a duration: write a whole number and its unit, us, ms, s, m or h, as in "300s")"}},
    {"a duration in days",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
aging = "1d"
)",
     {R"(7:9: '1d' is not a duration: write a whole number and its unit, us, ms, s, m or h, as in "300s")"}},
    {"a duration with a part of a second",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
aging = "1500ms"
)",
     {R"(7:9: '1500ms' is not a whole number of seconds: write "2s")"}},
    {"a duration of nothing",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
aging = "0s"
)",
     {R"(7:9: 'aging' is '0s': use "1s" to "1000000s")"}},
    {"a duration that overflows",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
aging = "99999999999999999999h"
)",
     {R"(7:9: '99999999999999999999h' is not a duration: write a whole number and its unit, us, ms, s, m or h, as in "300s")"}},
    {"more stations on a port than on the bridge",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
max_stations = 10
max_stations_per_port = 11
)",
     {R"(8:25: 'max_stations_per_port' is 11, more than max_stations = 10: use 1 to 10)"}},
    {"a negative limit",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
max_stations = -1
)",
     {R"(7:16: 'max_stations' is -1: use 1 to 1048576)"}},
    {"a gateway without a prefix length",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
gateway = ["10.0.0.1"]
)",
     {R"(7:12: '10.0.0.1' has no prefix length: write "10.0.0.1/24", with the length of its network)"}},
    {"a gateway that is no address",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
gateway = ["10.0.0.256/24", "fd00::g/64"]
)",
     {R"(7:12: '10.0.0.256/24' is not an address with a prefix length: write it as in "10.10.0.1/24")",
      R"(7:29: 'fd00::g/64' is not an address with a prefix length: write it as in "2001:db8::1/64")"}},
    {"a gateway that is its network",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
gateway = ["10.0.0.0/24"]
)",
     {R"(7:12: '10.0.0.0/24' is the first address of its network: write the address of a host in it, as in "10.10.0.1/24")"}},
    {"a gateway that is the broadcast address",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
gateway = ["10.0.0.255/24"]
)",
     {R"(7:12: '10.0.0.255/24' is the broadcast address of its network: write the address of a host in it, as in "10.10.0.1/24")"}},
    {"a gateway that is a group",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
gateway = ["ff02::1/64"]
)",
     {R"(7:12: 'ff02::1/64' is not an address that an interface can have: write a unicast address, as in "2001:db8::1/64")"}},
    {"a gateway twice",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
gateway = ["10.0.0.1/24", "10.0.0.1/24"]
)",
     {R"(7:27: '10.0.0.1/24' stands twice in 'gateway': remove one)"}},
    {"a gateway's MAC without a gateway",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
gateway_mac = "02:00:00:00:00:01"
)",
     {R"(7:1: 'gateway_mac' without 'gateway': add gateway = ["10.10.0.1/24"], or remove it)"}},
    {"a MAC of five octets",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
gateway = ["10.0.0.1/24"]
gateway_mac = "02:00:00:00:00"
)",
     {R"(8:15: '02:00:00:00:00' is not a MAC address: write it as in "02:00:00:00:00:01")"}},
    {"a MAC that is a group",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
gateway = ["10.0.0.1/24"]
gateway_mac = "01:00:5e:00:00:01"
)",
     {R"(8:15: '01:00:5e:00:00:01' is a group address, not the address of a station: write a unicast address, as in "02:00:00:00:00:01")"}},
};
// clang-format on

}  // namespace

TEST_CASE("a bad value in node, offload, underlay or bridge is reported where it stands") {
    check_reports(mistakes);
}

}  // namespace weft::test
