#!/bin/bash
# The kernel as a VXLAN peer: a namespace with a vxlan device and a bridge, and no weft in it.
#
#   host-a          site-a                       kernel                    host-k
#   lan0 <--- weftd 192.0.2.1:4789 --- 192.0.2.2 vxlan100 -- br0 -- veth --- eth0
. "$(dirname "$0")/lib.sh"
need bridge

ns host-a site-a kernel host-k
link site-a eth0 kernel eth0
link kernel to-k host-k eth0
address site-a eth0 192.0.2.1/24 192.0.2.3/24
address kernel eth0 192.0.2.2/24 192.0.2.4/24
address host-k eth0 10.10.0.12/24 fd00:10::12/64
on host-k ip link set eth0 mtu 1450

on kernel ip link add br0 type bridge
on kernel ip link add vxlan100 type vxlan id 100 local 192.0.2.2 remote 192.0.2.1 dstport 4789
on kernel ip link set vxlan100 master br0 up
on kernel ip link set to-k master br0
on kernel ip link set br0 up

config site-a <<END
[underlay]
vxlan = "192.0.2.1:4789"

[[bridge]]
name = "lan"
vni = 100

[[port]]
name = "lan0"
type = "tap"
netns = "$(ns_name host-a)"
bridge = "lan"
address = ["10.10.0.11/24", "fd00:10::11/64"]

[[peer]]
name = "kernel"
encryption = "none"
endpoint = "192.0.2.2:4789"
bridges = ["lan"]
END
start site-a
wait_for "the first ping" 15 reaches host-a 10.10.0.12

say "the MTU: 1500 less IPv4, UDP, VXLAN and Ethernet"
[[ $(mtu_of host-a lan0) == 1450 ]] || fail "lan0 has an MTU of $(mtu_of host-a lan0), not 1450"

say "ARP, ping and TCP both ways"
on host-k ip neighbor flush dev eth0
pings host-k 10.10.0.11
pings host-a 10.10.0.12
wait_for "IPv6" 10 reaches host-a fd00:10::12
pings host-a fd00:10::12
reaches host-a 10.10.0.12 -M "do" -s 1422 || fail "a datagram that fills the MTU does not arrive"
reaches host-k 10.10.0.11 -M "do" -s 1422 || fail "a datagram that fills the MTU does not arrive"
tcp host-a host-k 10.10.0.12
tcp host-k host-a 10.10.0.11

say "both sides learned"
mac_a=$(mac_of host-a lan0)
mac_k=$(mac_of host-k eth0)
on kernel bridge fdb show dev vxlan100 | tee "$work/fdb.txt"
grep -q "^$mac_a .*master br0" "$work/fdb.txt" || fail "the kernel's bridge did not learn host-a behind vxlan100"
grep -q "^$mac_a dst 192.0.2.1" "$work/fdb.txt" || fail "the vxlan device did not learn host-a behind 192.0.2.1"
weft site-a fdb
weft site-a fdb --json | jq -e --arg mac "$mac_k" '[.. | objects | select(.mac? == $mac)] | length == 1' >/dev/null ||
    fail "site-a did not learn host-k"

say "source ports differ by flow"
capture kernel eth0 "$work/ports.pcap" 'udp dst port 4789 and src host 192.0.2.1'
for octet in {20..35}; do
    on host-a ip address add "10.10.0.$octet/24" dev lan0
    on host-a ping -n -q -c 1 -W 1 -I "10.10.0.$octet" 10.10.0.12 >/dev/null
done
captured
different=$(tcpdump -n -r "$work/ports.pcap" 2>/dev/null | sed -n 's/.* IP 192\.0\.2\.1\.\([0-9]*\) > .*/\1/p' | sort -u | wc -l)
echo "$different source ports for 17 flows"
((different > 1)) || fail "every flow has the same source port"

say "what does not belong here is dropped by name"
before=$(drops site-a unknown_peer)
# A well-formed frame (VNI 100) from an address that is no peer's, then one from the peer with a VNI that is not stretched to it.
on kernel "$here/inject.py" vxlan --from 192.0.2.4 --to 192.0.2.1 --vni 100
wait_for "unknown_peer" 5 dropped site-a unknown_peer $((before + 1))
before=$(drops site-a foreign_vni)
on kernel "$here/inject.py" vxlan --from 192.0.2.2 --to 192.0.2.1 --vni 101
wait_for "foreign_vni" 5 dropped site-a foreign_vni $((before + 1))
before=$(drops site-a bad_vxlan)
on kernel "$here/inject.py" vxlan --from 192.0.2.2 --to 192.0.2.1 --vni 100 --flags 0
wait_for "bad_vxlan" 5 dropped site-a bad_vxlan $((before + 1))
