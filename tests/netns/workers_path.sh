#!/bin/bash
# The fast path of a node with two workers: flows of both are in the kernel, where they leave weftd alone; what one worker learns
# makes the other's flows miss, too; a killed node leaves nothing.
#
#   c1, c2, c3  eth0 (veth) ---- weftd's bridge ---- tun0 (site-a itself)
. "$(dirname "$0")/lib.sh"
need iperf3 python3

ns site-a c1 c2 c3
{
    printf '[[bridge]]\nname = "lan"\ngateway = ["10.0.0.254/24"]\n\n'
    for n in 1 2 3; do
        cat <<END
[[port]]
name = "p$n"
type = "veth"
device = "eth0"
netns = "$(ns_name "c$n")"
bridge = "lan"
address = ["10.0.0.$n/24"]

END
    done
    printf '[[port]]\nname = "host"\ntype = "tun"\ndevice = "tun0"\naddress = ["10.9.0.1/24"]\n\n'
    printf '[fastpath]\ncheck_every = 64\n'
} | config site-a "workers = 2"
start site-a
weft site-a status
[[ $(query site-a status .fast_path.mode) == tc ]] || skip "no fast path: $(query site-a status .fast_path.why_not)"
[[ $(query site-a status '.fast_path.failed_paths | length') == 0 ]] || fail "ways that failed: $(query site-a status .fast_path.failed_paths)"
for n in 1 2 3; do
    sysctl_in "c$n" net/ipv6/conf/eth0/disable_ipv6 1
    on "c$n" ip route add default via 10.0.0.254
done
wait_for "c2" 10 reaches c1 10.0.0.2
wait_for "the host" 10 reaches c1 10.9.0.1

# in_kernel FILTER COUNT: so many flows are.
in_kernel() { (($(weft site-a flows --limit 1000 --json | jq "[.flows[] | select($1 and .path == \"kernel\")] | length") >= $2)); }
shares() { query site-a status '[.per_worker[] | .rx_packets] | map(tostring) | join(" ")'; }
# What has come to weftd by the containers' TAPs.
misses() { on site-a ip -j -s link show | jq '[.[] | select(.ifname | startswith("weftt")) | .stats64.tx.packets] | add'; }
no_differences() {
    [[ $(query site-a status .fast_path.checked_packets) -gt 0 ]] || fail "nothing was compared"
    [[ $(query site-a status .fast_path.differed_packets) == 0 ]] || fail "the comparison found differences"
}

say "eight connections each way: all are in the kernel, and each worker has some of them"
on c1 ip neigh replace 10.0.0.2 lladdr "$(mac_of c2 eth0)" dev eth0 nud permanent
on c2 ip neigh replace 10.0.0.1 lladdr "$(mac_of c1 eth0)" dev eth0 nud permanent
spawn c2 "$work/server.log" iperf3 --server --one-off --forceflush
wait_for "iperf3 listens" 10 grep -q listening "$work/server.log"
read -ra before <<<"$(shares)"
spawn c1 "$work/iperf.json" iperf3 --client 10.0.0.2 --parallel 8 --bitrate 4M --time 7 --json
client=$last_spawned
wait_for "all flows are in the kernel" 6 in_kernel '.protocol == 6 and .destination == "10.0.0.2" and .packets > 100' 8
wait_for "their answers, too" 6 in_kernel '.protocol == 6 and .destination == "10.0.0.1"' 8
missed=$(misses)
sleep 1
missed=$(($(misses) - missed))
wait_for "iperf3 ends" 15 gone "$client"
sleep 2.5 # what was carried is counted
read -ra after <<<"$(shares)"
echo "in a second of steady flows $missed packets came to weftd; the workers have $((after[0] - before[0])) and $((after[1] - before[1])) packets"
((missed == 0)) || fail "$missed packets of steady flows came to weftd"
for worker in 0 1; do ((after[worker] - before[worker] > 500)) || fail "worker $worker has no share"; done
no_differences

say "routed flows, from and to the host"
tcp site-a c1 10.0.0.1 20000000
tcp c2 site-a 10.9.0.1 20000000
no_differences

say "a station that moves, under eight flows: no packet goes the old way once all workers know"
on c1 ip link set eth0 arp off
inserted=$(query site-a status .fast_path.inserted)
"$here/moving_station.py" "${WEFT_CHANGES-200}" "$(ns_name c1)" "$(ns_name c2)" "$(ns_name c3)" "$work/site-a.sock" || fail "packets went the old way, or were lost"
inserted=$(($(query site-a status .fast_path.inserted) - inserted))
echo "$inserted flows were given to the kernel meanwhile"
((inserted > ${WEFT_CHANGES-200})) || fail "the flows were not in the kernel, so nothing was tested"
no_differences
weft site-a status

say "kill -9: no program, no link, no traffic is left"
crash site-a
wait_for "nothing is left in site-a" 5 sh -c "[ -z \"\$(nsenter --net=/run/netns/$(ns_name site-a) ip -o link show | grep -v ' lo:')\" ]"
