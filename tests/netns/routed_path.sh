#!/bin/bash
# What weft routes, in the kernel: established flows between two bridges, from and to a TUN, and to a bridge that is stretched
# to a plain peer, have one hop less to live there too, and other MAC addresses; a neighbor that gets another address is
# reached at once, one that is silent is asked after.
#
#   c1 10.1.0.2 (veth) --- bridge red 10.1.0.1 ---+
#   c2 10.2.0.2 (veth) --- bridge blue 10.2.0.1 --+-- weftd's router --- tun0 10.9.0.1 (site-a itself)
#   c3 10.3.0.2 --- vtep --- bridge far 10.3.0.1 -+
. "$(dirname "$0")/lib.sh"
need iperf3 tcpdump

ns site-a vtep c1 c2 c3
link site-a eth0 vtep eth0
address site-a eth0 192.0.2.1/24
address vtep eth0 192.0.2.2/24
link vtep to-c3 c3 eth0
address c3 eth0 10.3.0.2/24 fd00:3::2/64
on c3 ip link set eth0 mtu 1450
on c3 ip route add default via 10.3.0.1
on vtep ip link add br0 type bridge
on vtep ip link add vxlan100 type vxlan id 100 local 192.0.2.2 remote 192.0.2.1 dstport 4789
on vtep ip link set vxlan100 master br0 up
on vtep ip link set to-c3 master br0
on vtep ip link set br0 up

# leg NAME NUMBER [LINE]: a bridge with a gateway, and in the first two cases a container on it.
leg() {
    printf '[[bridge]]\nname = "%s"\ngateway = ["10.%s.0.1/24", "fd00:%s::1/64"]\n%s\n\n' "$1" "$2" "$2" "${3-}"
    (($2 > 2)) || cat <<END
[[port]]
name = "p$2"
type = "veth"
device = "eth0"
netns = "$(ns_name "c$2")"
bridge = "$1"
address = ["10.$2.0.2/24", "fd00:$2::2/64"]

END
}
{
    printf '[fastpath]\ncheck_every = 64\n\n'
    leg red 1
    leg blue 2
    leg far 3 'vni = 100'
    cat <<END
[[port]]
name = "host"
type = "tun"
device = "tun0"
address = ["10.9.0.1/24", "fd00:9::1/64"]

[[peer]]
name = "vtep"
encryption = "none"
bridges = ["far"]
endpoint = "192.0.2.2:4789"
END
} | config site-a
start site-a
[[ $(query site-a status .fast_path.mode) == tc ]] || skip "no fast path: $(query site-a status .fast_path.why_not)"
[[ $(query site-a status '.fast_path.failed_paths | length') == 0 ]] || fail "ways that failed: $(query site-a status .fast_path.failed_paths)"
for n in 1 2; do
    on "c$n" ip route add default via "10.$n.0.1"
    on "c$n" ip -6 route add default via "fd00:$n::1"
done
wait_for "blue" 15 reaches c1 10.2.0.2
wait_for "blue, IPv6" 15 reaches c1 fd00:2::2
wait_for "far" 15 reaches c1 10.3.0.2
wait_for "the host" 15 reaches c1 10.9.0.1

cpu() { awk '{ print $14 + $15 }' "/proc/${daemon[site-a]}/stat"; }
# crosses CLIENT SERVER ADDRESS: TCP both ways, whole, of which weftd sees next to nothing.
crosses() {
    local before used
    tcp "$@" 1000000
    before=$(cpu)
    tcp "$@" 100000000
    used=$(($(cpu) - before))
    echo "$1 <-> $2 ($3): weftd used $used hundredths of a second"
    ((used <= 30)) || fail "weftd is busy with what the kernel carries"
}
no_differences() {
    [[ $(query site-a status .fast_path.checked_packets) -gt 0 ]] || fail "nothing was compared"
    [[ $(query site-a status .fast_path.differed_packets) == 0 ]] || fail "the comparison found differences"
}

say "from bridge to bridge"
crosses c1 c2 10.2.0.2
crosses c2 c1 fd00:1::2
say "from and to the host, by the TUN"
crosses site-a c1 10.1.0.2
crosses c2 site-a 10.9.0.1
crosses site-a c2 fd00:2::2
say "from and to a bridge behind a peer"
crosses c1 c3 10.3.0.2
crosses c3 c2 10.2.0.2
crosses site-a c3 10.3.0.2
no_differences

say "a hop is taken, and the addresses are the gateway's and the neighbor's"
spawn c2 "$work/echo.log" "$here/datagrams.py" echo 7000
wait_for "c2 listens" 10 on c2 sh -c "grep -qi ':1B58 ' /proc/net/udp6"
capture c2 eth0 "$work/hops.pcap" 'udp dst port 7000'
on c1 "$here/datagrams.py" call 10.2.0.2 7000 100,200,1400 || fail "datagrams are lost or altered"
on c1 "$here/datagrams.py" call fd00:2::2 7000 100,200,1400 || fail "datagrams are lost or altered"
captured
different() { tcpdump -e -n -vv -r "$work/hops.pcap" "$1" 2>/dev/null | sed -nE "s/$2/\1/p" | sort | uniq -c | tee -a /dev/stderr | wc -l; }
(($(different ip '.*ttl ([0-9]+),.*') == 1)) || fail "some have another TTL"
(($(different ip6 '.*hlim ([0-9]+),.*') == 1)) || fail "some have another hop limit"
(($(different 'ip or ip6' '^[^ ]+ ([0-9a-f:]+ > [0-9a-f:]+), ethertype.*') == 1)) || fail "some have other MAC addresses"
tcpdump -n -vv -r "$work/hops.pcap" ip 2>/dev/null | grep -q 'bad cksum' && fail "a bad IPv4 header checksum"
said=$(on c1 ping -n -c 1 -t 1 10.2.0.2 || true)
grep -q 'Time to live exceeded' <<<"$said" || fail "no time exceeded: $said"
on c1 "$here/datagrams.py" hop 10.2.0.2 7000 || fail "a datagram without hops is not reported"

say "a neighbor with another MAC address is reached at once; one that only listens is asked after, and not lost"
spawn c2 "$work/server.log" iperf3 --server --one-off --forceflush
wait_for "iperf3 listens" 10 grep -q listening "$work/server.log"
spawn c1 "$work/iperf.json" iperf3 --client 10.2.0.2 --bitrate 20M --time 5 --interval 0.5 --json
client=$last_spawned
sleep 2
on c2 ip link set eth0 address 02:00:00:00:00:77
on c2 ping -n -q -c 1 -W 1 10.2.0.1 >/dev/null || true
wait_for "iperf3 ends" 20 gone "$client"
jq -r '[.intervals[].sum.bits_per_second / 1e6 | floor] | "Mbit/s: \(.)"' "$work/iperf.json"
[[ $(jq '.end.sum_received.bytes' "$work/iperf.json") -gt 10000000 ]] || fail "the connection stood still"
no_differences
weft site-a status
