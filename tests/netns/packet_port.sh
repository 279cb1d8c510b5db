#!/bin/bash
# An existing interface (one end of a veth pair) as a bridge port, by AF_PACKET, with TCP through it both ways; access and trunk
# ports of VLANs.
#
#   host-a  lan0 (TAP, trunk 10 and 20)  --.
#   host-b  lan0 (TAP, access VLAN 10)   ---- weftd's bridge ---- to-c (packet, access VLAN 10) --- eth0  host-c
#   host-d  lan0 (TAP, access VLAN 20)   --'                  \-- to-t (packet, trunk 10, 20)   --- eth0.10, eth0.20  host-t
. "$(dirname "$0")/lib.sh"

ns site-a host-a host-b host-c host-d host-t
link site-a to-c host-c eth0
link site-a to-t host-t eth0
address host-c eth0 10.0.10.3/24 fd00:a::3/64

cat <<END | config site-a
[[bridge]]
name = "lan"

[[port]]
name = "a"
type = "tap"
device = "lan0"
netns = "$(ns_name host-a)"
bridge = "lan"
trunk = [10, 20]

[[port]]
name = "b"
type = "tap"
device = "lan0"
netns = "$(ns_name host-b)"
bridge = "lan"
vlan = 10
address = ["10.0.10.2/24", "fd00:a::2/64"]

[[port]]
name = "c"
type = "packet"
device = "to-c"
bridge = "lan"
vlan = 10

[[port]]
name = "d"
type = "tap"
device = "lan0"
netns = "$(ns_name host-d)"
bridge = "lan"
vlan = 20
address = ["10.0.20.4/24", "10.0.10.4/24"]

[[port]]
name = "t"
type = "packet"
device = "to-t"
bridge = "lan"
trunk = [10, 20]
END
start site-a

# vlan NAME DEVICE VLAN ADDRESS: a VLAN device; not the kernel's own, which not every kernel has.
vlan() {
    spawn "$1" "$work/$1.$3.log" "$here/vlan_device.py" "$2" "$3"
    wait_for "$2.$3" 10 on "$1" ip link show "$2.$3"
    on "$1" ip link set "$2.$3" mtu "$(mtu_of "$1" "$2")" up
    address "$1" "$2.$3" "$4"
}
vlan host-a lan0 10 10.0.10.1/24
vlan host-a lan0 20 10.0.20.1/24
vlan host-t eth0 10 10.0.10.5/24
vlan host-t eth0 20 10.0.20.5/24

say "an existing interface as a port"
wait_for "host-b reaches host-c" 15 reaches host-b 10.0.10.3
pings host-b 10.0.10.3
pings host-c 10.0.10.2
wait_for "IPv6" 10 reaches host-b fd00:a::3
tcp host-b host-c 10.0.10.3
tcp host-c host-b 10.0.10.2

say "trunks carry both VLANs, on a TAP and on an interface"
for to in 10.0.10.2 10.0.10.3 10.0.10.5 10.0.20.4 10.0.20.5; do
    wait_for "host-a -> $to" 10 reaches host-a "$to"
    pings host-a "$to" 5
done
tcp host-a host-t 10.0.10.5
tcp host-t host-a 10.0.20.1
tcp host-t host-c 10.0.10.3

say "a VLAN is not left"
reaches host-d 10.0.10.2 -I 10.0.10.4 >/dev/null && fail "VLAN 20 reaches VLAN 10"
reaches host-b 10.0.10.4 >/dev/null && fail "VLAN 10 reaches VLAN 20"

say "a tag that the port does not carry is dropped by name"
before=$(drops site-a vlan_not_allowed)
vlan host-a lan0 30 10.0.30.1/24
reaches host-a 10.0.30.9 >/dev/null && fail "10.0.30.9 answered"
wait_for "vlan_not_allowed" 5 dropped site-a vlan_not_allowed $((before + 1))
weft site-a fdb
weft site-a ports

say "the interface is as it was, when weft is gone"
stop site-a
on site-a ip link show to-c | grep -q PROMISC && fail "to-c is still promiscuous"
on site-a ip link show to-c | grep -q 'state UP' || fail "to-c is not up any more"
