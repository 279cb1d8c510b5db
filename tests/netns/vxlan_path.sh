#!/bin/bash
# Plain VXLAN in the kernel: established flows between a container and a peer are encapsulated and decapsulated there, past
# weftd, whether the peer is a kernel or a weft; if the kernel's route to a peer changes, they follow.
#
#   c1 (veth) --- site-a 192.0.2.1, .9 ---+--- 192.0.2.2 vtep (kernel's vxlan) --- c3
#                 (eth0 and eth1)         +--- 192.0.2.3 site-b --- c4 (veth)
. "$(dirname "$0")/lib.sh"
need iperf3 tcpdump ethtool

ns wire site-a site-b vtep c1 c3 c4
on wire ip link add br0 type bridge
on wire ip link set br0 up
for end in site-a site-b vtep; do
    link "$end" eth0 wire "to-$end"
    on wire ip link set "to-$end" master br0
done
link site-a eth1 wire to-site-a1
on wire ip link set to-site-a1 master br0
address site-a eth0 192.0.2.1/24 192.0.2.9/24
address vtep eth0 192.0.2.2/24
address site-b eth0 192.0.2.3/24
link vtep to-c3 c3 eth0
address c3 eth0 10.10.0.13/24 fd00:10::13/64
on c3 ip link set eth0 mtu 1450
on vtep ip link add br0 type bridge
on vtep ip link add vxlan100 type vxlan id 100 local 192.0.2.2 remote 192.0.2.1 dstport 4789
on vtep ip link set vxlan100 master br0 up
on vtep ip link set to-c3 master br0
on vtep ip link set br0 up

# node HOST NUMBER [PEER ADDRESS]...
node() {
    local host=$1 number=$2
    shift 2
    cat <<END
[fastpath]
check_every = 64

[[bridge]]
name = "lan"
vni = 100

[[port]]
name = "p$number"
type = "veth"
device = "eth0"
netns = "$(ns_name "$host")"
bridge = "lan"
address = ["10.10.0.1$number/24", "fd00:10::1$number/64"]
END
    while (($# > 1)); do
        printf '\n[[peer]]\nname = "%s"\nencryption = "none"\nbridges = ["lan"]\nendpoint = "%s:4789"\n' "$1" "$2"
        shift 2
    done
}
node c1 1 vtep 192.0.2.2 site-b 192.0.2.3 | sed 's/^\[fastpath\]/&\nuplinks = ["eth0", "eth1"]/' | config site-a
node c4 4 site-a 192.0.2.1 | config site-b
start site-a site-b
[[ $(query site-a status .fast_path.mode) == tc ]] || skip "no fast path: $(query site-a status .fast_path.why_not)"
[[ $(query site-a status '.fast_path.failed_paths | length') == 0 ]] || fail "ways that failed: $(query site-a status .fast_path.failed_paths)"
[[ $(mtu_of c1 eth0) == 1450 ]] || fail "c1 has an MTU of $(mtu_of c1 eth0), not 1450"
wait_for "the vtep" 15 reaches c1 10.10.0.13
wait_for "site-b" 15 reaches c1 10.10.0.14
wait_for "IPv6" 15 reaches c1 fd00:10::13
wait_for "IPv6" 15 reaches c1 fd00:10::14

# in_kernel FILTER: a flow of which the kernel has carried much.
in_kernel() { [[ $(weft "$1" flows --limit 1000 --json | jq "[.flows[] | select($2 and .path == \"kernel\")] | length") -gt 0 ]]; }
no_differences() {
    local site
    for site in "$@"; do
        [[ $(query "$site" status .fast_path.checked_packets) -gt 0 ]] || fail "$site has compared nothing"
        [[ $(query "$site" status .fast_path.differed_packets) == 0 ]] || fail "$site: the comparison found differences"
    done
}

# crosses SITE CLIENT SERVER ADDRESS: TCP both ways, whole, of which weftd sees next to nothing.
crosses() {
    local site=$1 before used
    shift
    tcp "$@" 1000000
    before=$(awk '{ print $14 + $15 }' "/proc/${daemon[$site]}/stat")
    tcp "$@" 200000000
    used=$(($(awk '{ print $14 + $15 }' "/proc/${daemon[$site]}/stat") - before))
    echo "$1 <-> $2 ($3): $site used $used hundredths of a second"
    ((used <= 30)) || fail "$site is busy with what the kernel carries"
}

say "TCP to and from a kernel's VTEP"
crosses site-a c1 c3 10.10.0.13
crosses site-a c3 c1 10.10.0.11
crosses site-a c1 c3 fd00:10::13
say "TCP to and from another weft"
crosses site-b c1 c4 10.10.0.14
crosses site-a c4 c1 fd00:10::11
no_differences site-a site-b
weft site-a status

say "TCP that crosses the wire segment by segment comes to the container in super-frames"
on vtep ethtool -K eth0 tso off gso off tx-udp_tnl-segmentation off >"$work/ethtool.log"
on vtep ethtool -K vxlan100 tso off gso off >"$work/ethtool.log"
capture c1 eth0 "$work/merged.pcap" 'tcp and src host 10.10.0.13 and greater 100'
tcp c3 c1 10.10.0.11 20000000
captured
sizes=$(tcpdump -n -r "$work/merged.pcap" 2>/dev/null | awk '{ ++n; bytes += $NF } END { printf "%d packets, on average %d bytes\n", n, bytes / n }')
echo "$sizes"
[[ $(awk '{ print $5 }' <<<"$sizes") -gt 3000 ]] || fail "they come one by one"
on vtep ethtool -K eth0 tso on gso on tx-udp_tnl-segmentation on >"$work/ethtool.log"
on vtep ethtool -K vxlan100 tso on gso on >"$work/ethtool.log"

say "UDP both ways, of every size; what is too large for the wire goes as before"
spawn c3 "$work/echo.log" "$here/datagrams.py" echo 7000
wait_for "c3 listens" 10 on c3 sh -c "grep -qi ':1B58 ' /proc/net/udp6"
on c1 "$here/datagrams.py" call 10.10.0.13 7000 1,2,17,64,100,1000,1421,1422,1423,1472,4000,64 || fail "datagrams are lost or altered"
on c1 "$here/datagrams.py" call fd00:10::13 7000 1,2,17,64,100,1000,1401,1402,1403,4000,64 || fail "datagrams are lost or altered"
no_differences site-a

say "what is on the wire is VXLAN of this peer, with right headers"
capture vtep eth0 "$work/wire.pcap" 'udp dst port 4789 and src host 192.0.2.1'
on c1 "$here/datagrams.py" call 10.10.0.13 7000 200,200,200,200 || fail "datagrams are lost or altered"
captured
tcpdump -n -vv -r "$work/wire.pcap" 2>/dev/null | tee "$work/wire.txt" | tail -4
grep -q 'VXLAN.*vni 100' "$work/wire.txt" || fail "no VXLAN"
grep -q 'bad cksum' "$work/wire.txt" && fail "a bad header checksum on the wire"

# steady_flow: 50 Mbit/s from c1 to c3 for some seconds, in the kernel; $client is its process.
steady_flow() {
    rm -f "$work/server.log"
    spawn c3 "$work/server.log" iperf3 --server --one-off --forceflush
    wait_for "iperf3 listens" 10 grep -q listening "$work/server.log"
    spawn c1 "$work/iperf.json" iperf3 --client 10.10.0.13 --bitrate 50M --time 4 --json
    client=$last_spawned
    wait_for "the flow is in the kernel" 5 in_kernel site-a '.protocol == 6 and .destination == "10.10.0.13" and .bytes > 3000000'
}

# times FILTER: when the capture's packets were sent. tcpdump writes two lines for each, the second is of what is inside.
times() { tcpdump -tt -n -r "$work/way.pcap" "$1" 2>/dev/null | awk '$1 ~ /^[0-9]+[.]/ { print $1 }'; }

# followed WHAT OLD NEW: the packets of the capture that match OLD end within 50 ms of $changed, when the kernel had been told.
followed() {
    local late old new
    old=$(times "$2" | wc -l)
    new=$(times "$3" | wc -l)
    late=$(times "$2" | awk -v changed="$changed" '{ last = $1 } END { printf "%d", (last - changed) * 1000 }')
    echo "$1: $old packets on the old way, the last one $late ms after the change, and $new on the new one"
    ((old > 20)) || fail "only $old packets went the old way before"
    ((late > -500 && late <= 50)) || fail "packets go the old way for $late ms"
    ((new > 200)) || fail "only $new packets go the new way"
    wait_for "iperf3 ends" 20 gone "$client"
    [[ $(jq .end.sum_received.bytes "$work/iperf.json") -gt 20000000 ]] || fail "the connection did not live through it"
    no_differences site-a
}

say "a route to the peer moves to another device: flows follow at once"
sysctl_in site-a net/ipv4/conf/all/arp_ignore 1
steady_flow
capture site-a any "$work/way.pcap" 'udp dst port 4789 and src 192.0.2.1 and dst 192.0.2.2'
sleep 0.5
on site-a ip route replace 192.0.2.2/32 dev eth1 src 192.0.2.1
changed=$(date +%s.%N)
sleep 2
captured
index_of() { on site-a ip -j link show "$1" | jq '.[0].ifindex'; }
followed "another device" "ifindex $(index_of eth0)" "ifindex $(index_of eth1)"

say "and so they do if it has another source address"
steady_flow
capture vtep eth0 "$work/way.pcap" 'udp dst port 4789 and src net 192.0.2.0/24'
sleep 0.5
on site-a ip route replace 192.0.2.2/32 dev eth1 src 192.0.2.9
changed=$(date +%s.%N)
on vtep ip link set vxlan100 type vxlan remote 192.0.2.9
sleep 2
captured
followed "another source" "src host 192.0.2.1" "src host 192.0.2.9"
on site-a ip route del 192.0.2.2/32
on vtep ip link set vxlan100 type vxlan remote 192.0.2.1

say "an uplink by which nothing can come in is told of, once, and the others go on"
stop site-a
on site-a ip tuntap add dev none0 mode tun
on site-a ip link set none0 up
cp "$work/site-a.toml" "$work/without-none0.toml"
sed -i 's/^uplinks = \["eth0"/&, "none0"/' "$work/site-a.toml"
start site-a
[[ $(query site-a status '.fast_path.failed_paths | to_entries[] | "\(.key): \(.value)"') == "uplink none0: it has no Ethernet" ]] ||
    fail "ways that failed: $(query site-a status .fast_path.failed_paths)"
weft site-a status | grep "no flows *uplink none0" || fail "weft status does not tell"
(($(grep -c 'uplink none0: no fast path' "$work/site-a.log") == 1)) || fail "no line in the log, or several"
wait_for "the vtep" 15 reaches c1 10.10.0.13
crosses site-a c1 c3 10.10.0.13

say "with VXLAN taken off in the driver"
stop site-a
mv "$work/without-none0.toml" "$work/site-a.toml"
on site-a ip link del none0
sed -i 's/^\[fastpath\]/&\nmode = "xdp"/' "$work/site-a.toml"
start site-a
weft site-a status
[[ $(query site-a status '.fast_path.uplinks[] | select(.device == "eth0") | .early_drop') == "xdp native" ]] || fail "no XDP at eth0"
wait_for "the vtep" 15 reaches c1 10.10.0.13
on site-a ethtool -K eth0 gro on >"$work/ethtool.log"
crosses site-a c3 c1 10.10.0.11
crosses site-a c3 c1 fd00:10::11
crosses site-a c1 c4 10.10.0.14
on c1 "$here/datagrams.py" call 10.10.0.13 7000 1,64,1000,1422,1423,4000 || fail "datagrams are lost or altered"
no_differences site-a

say "killed, it leaves nothing at the uplink"
crash site-a
no_veth() { ! on site-a ip -o link show | grep -q weftv; }
wait_for "its veth pairs are gone" 5 no_veth
if reaches c3 10.10.0.11; then fail "somebody still answers"; fi
