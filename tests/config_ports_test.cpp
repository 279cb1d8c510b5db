// What [[port]] and [[route]] say about themselves.
#include "tests/support/config_mistake.h"

namespace weft::test {

namespace {

// clang-format off
const std::vector<Mistake> mistakes{
    {"a veth port that is nobody's, on no bridge",
     R"([node]
name = "n"
private_key_file = "a.key"
[[port]]
name = "a"
type = "veth"
)",
     {R"(4:1: a veth port needs a bridge: add bridge = "lan")",
      R"(4:1: a veth port needs the namespace that its other end is for: add netns = "host-a", or write type = "tap")"}},
    {"a veth port in half a path, with what only a tun port has, patched somehow",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
[[port]]
name = "a"
type = "veth"
netns = "run/c1"
bridge = "lan"
kernel_routes = true
patch = "bpf"
mtu = 500
)",
     {R"(10:9: 'run/c1' is not a network namespace: write a name, as ip netns lists it, or an absolute path)",
      R"(12:1: 'kernel_routes': only a tun port has kernel routes: remove it, or write type = "tun")",
      R"(13:9: 'bpf' is no way to patch a port: write "auto" or "tc")",
      R"(14:7: 'mtu' is 500: use 576 to 65535)"}},
    {"a namespace whose name the kernel would read to its middle",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
[[port]]
name = "a"
type = "veth"
netns = "/run/netns/c1\u0000c2"
bridge = "lan"
)",
     {R"(10:9: '/run/netns/c1\x00c2' is not a network namespace: write a name, as ip netns lists it, or an absolute path)"}},
    {"ports that are no veth and patched",
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
patch = "tc"
[[port]]
name = "b"
type = "tun"
patch = "tc"
[[port]]
name = "c"
type = "packet"
bridge = "lan"
patch = "tc"
)",
     {R"(11:1: 'patch': only a veth port has a host end to be patched: remove it, or write type = "veth")",
      R"(15:1: 'patch': only a veth port has a host end to be patched: remove it)",
      R"(20:1: 'patch': only a veth port has a host end to be patched: remove it)"}},
    {"a misspelled type",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
[[port]]
name = "a"
type = "tab"
bridge = "lan"
)",
     {R"(9:8: 'tab' is not a type of port: did you mean 'tap'?)"}},
    {"a type of port that there is not",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
[[port]]
name = "a"
type = "macvtap"
bridge = "lan"
)",
     {R"(9:8: 'macvtap' is not a type of port: use tap, tun, veth or packet)"}},
    {"a device name of 16 characters",
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
device = "abcdefghijklmnop"
)",
     {R"(11:10: 'abcdefghijklmnop' cannot be the name of a network device: use 1 to 15 characters without '/', ':', '%' and white space)"}},
    {"a port name that is no device name",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
[[port]]
name = "abcdefghijklmnop"
type = "tap"
bridge = "lan"
)",
     {R"(8:8: port 'abcdefghijklmnop' cannot lend its name to its device: use 15 characters at most, or add device = "...")"}},
    {"a namespace that is half a path",
     R"([node]
name = "n"
private_key_file = "a.key"
[[port]]
name = "t"
type = "tun"
netns = "run/host-a"
)",
     {R"(7:9: 'run/host-a' is not a network namespace: write a name, as ip netns lists it, or an absolute path)"}},
    {"VLAN 4095",
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
vlan = 4095
)",
     {R"(11:8: 4095 is not a VLAN: use 1 to 4094)"}},
    {"VLANs 0 and 5000 and one twice in a trunk",
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
trunk = [0, 7, 5000, 7]
)",
     {R"(11:10: 0 is not a VLAN: use 1 to 4094)",
      R"(11:16: 5000 is not a VLAN: use 1 to 4094)",
      R"(11:22: VLAN 7 stands twice in 'trunk': remove one)"}},
    {"an empty trunk",
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
trunk = []
)",
     {R"(11:9: a trunk without VLANs: write trunk = [10, 20], or remove it to carry them all)"}},
    {"an access port that is a trunk",
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
vlan = 10
trunk = [10]
)",
     {R"(12:1: a port has either 'vlan' or 'trunk': remove 'trunk' for an access port, 'vlan' for a trunk)"}},
    {"a tun port with what belongs to Ethernet",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
[[port]]
name = "t"
type = "tun"
bridge = "lan"
vlan = 1
trunk = [2]
mac = "02:00:00:00:00:01"
)",
     {R"(10:1: 'bridge': a tun port carries IP, not Ethernet: remove it, or write type = "tap")",
      R"(11:1: 'vlan': a tun port carries IP, not Ethernet: remove it, or write type = "tap")",
      R"(12:1: 'trunk': a tun port carries IP, not Ethernet: remove it, or write type = "tap")",
      R"(13:1: 'mac': a tun port carries IP, not Ethernet: remove it, or write type = "tap")"}},
    {"a packet port with what belongs to its device",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
[[port]]
name = "e"
type = "packet"
bridge = "lan"
address = ["10.0.0.2/24"]
mac = "02:00:00:00:00:01"
mtu = 1500
txqueuelen = 1000
kernel_routes = true
)",
     {R"(11:1: 'address': a packet port takes an existing device as it is: set it on the device with ip, and remove it here, or add spoof_check = true if it is the station's behind it)",
      R"(12:1: 'mac': a packet port takes an existing device as it is: set it on the device with ip, and remove it here, or add spoof_check = true if it is the station's behind it)",
      R"(13:1: 'mtu': a packet port takes an existing device as it is: set it on the device with ip, and remove it here)",
      R"(14:1: 'txqueuelen': a packet port takes an existing device as it is: set it on the device with ip, and remove it here)",
      R"(15:1: 'kernel_routes': only a tun port has kernel routes: remove it)"}},
    {"ports whose sources cannot be checked, or who cannot be isolated",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
[[port]]
name = "t"
type = "tun"
spoof_check = true
isolated = false
[[port]]
name = "e"
type = "packet"
bridge = "lan"
address = ["10.0.0.2/24"]
spoof_check = true
[[port]]
name = "a"
type = "tap"
bridge = "lan"
spoof_check = "yes"
isolated = 1
)",
     {R"(9:1: 'spoof_check': a tun port carries IP, not Ethernet: remove it, or write type = "tap")",
      R"(10:1: 'isolated': a tun port carries IP, not Ethernet: remove it, or write type = "tap")",
      R"(16:15: a packet port does not know who may send by it: add mac = "02:00:00:00:00:11" and address = [...] of the station behind it)",
      R"(21:15: 'spoof_check' must be true or false, not a string: write spoof_check = true)",
      R"(22:12: 'isolated' must be true or false, not an integer: write isolated = true)"}},
    {"a device that holds no packets to speak of",
     R"([node]
name = "n"
private_key_file = "a.key"
[[port]]
name = "t"
type = "tun"
txqueuelen = 15
)",
     {R"(7:14: 'txqueuelen' is 15: use 16 to 65536)"}},
    {"a tap port without a bridge",
     R"([node]
name = "n"
private_key_file = "a.key"
[[port]]
name = "a"
type = "tap"
)",
     {R"(4:1: a tap port needs a bridge: add bridge = "lan")"}},
    {"a tap port with kernel routes",
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
kernel_routes = true
)",
     {R"(11:1: 'kernel_routes': only a tun port has kernel routes: remove it, or write type = "tun")"}},
    {"an IPv6 address on a port with a small MTU",
     R"([node]
name = "n"
private_key_file = "a.key"
[[port]]
name = "t"
type = "tun"
address = ["fd00::1/64"]
mtu = 1000
)",
     {R"(8:7: an MTU of 1000 is too small for IPv6: use 1280 or more, or remove the IPv6 addresses)"}},
    {"a route that leads nowhere",
     R"([node]
name = "n"
private_key_file = "a.key"
[[route]]
to = "10.0.0.0/8"
)",
     {R"(4:1: the route leads nowhere: give exactly one of 'via', 'peer' and 'port')"}},
    {"a route that leads two ways",
     R"([node]
name = "n"
private_key_file = "a.key"
[[port]]
name = "t"
type = "tun"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
[[route]]
to = "10.0.0.0/8"
peer = "b"
port = "t"
)",
     {R"(10:1: the route leads more than one way: give exactly one of 'via', 'peer' and 'port')"}},
    {"a route with host bits",
     R"([node]
name = "n"
private_key_file = "a.key"
[[port]]
name = "t"
type = "tun"
[[route]]
to = "10.20.2.7/24"
port = "t"
)",
     {R"(8:6: '10.20.2.7/24' has host bits set: write "10.20.2.0/24")"}},
    {"a route to no prefix",
     R"([node]
name = "n"
private_key_file = "a.key"
[[port]]
name = "t"
type = "tun"
[[route]]
to = "default"
port = "t"
)",
     {R"(8:6: 'default' is not a prefix: write it as in "10.20.2.0/24")"}},
    {"a next hop of the other family",
     R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
vni = 100
gateway = ["10.0.0.1/24"]
[[route]]
to = "fd00::/8"
via = "10.0.0.2"
)",
     {R"(10:7: 10.0.0.2 is an IPv4 address, but the route is to fd00::/8: use a next hop of the same family)"}},
    {"a next hop that is no address",
     R"([node]
name = "n"
private_key_file = "a.key"
[[route]]
to = "fd00::/8"
via = "gw"
)",
     {R"(6:7: 'gw' is not the address of a next hop: write it as in "10.10.0.254")"}},
};
// clang-format on

}  // namespace

TEST_CASE("a bad value in a port or a route is reported where it stands") {
    check_reports(mistakes);
}

}  // namespace weft::test
