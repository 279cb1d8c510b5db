#!/bin/bash
# The fast path under real traffic: established flows between containers leave weftd, their counters do not; a station that
# moves, a port that goes down and a daemon that is killed take their flows along at once; a corrupted action is found out.
#
#   c1, c2, c3  eth0 (veth) ---- weftd's bridge
. "$(dirname "$0")/lib.sh"
need iperf3

ns site-a c1 c2 c3
ports() {
    local n
    echo '[[bridge]]
name = "lan"
'
    for n in 1 2 3; do
        cat <<END
[[port]]
name = "p$n"
type = "veth"
device = "eth0"
netns = "$(ns_name "c$n")"
bridge = "lan"
address = ["10.0.0.$n/24", "fd00::$n/64"]

END
    done
    printf '[fastpath]\n'
    printf '%s\n' "$@"
}
ports 'mode = "auto"' 'check_every = 64' | config site-a
start site-a
[[ $(query site-a status .fast_path.mode) == tc ]] || skip "no fast path: $(query site-a status .fast_path.why_not)"
weft site-a status

# flow FILTER FIELD: of the first flow that the filter lets through.
flow() { weft site-a flows --limit 1000 --json | jq -r "first(.flows[] | select($1)) | $2"; }
flow_is() { [[ $(flow "$1" "$2") == "$3" ]]; }

say "what is no flow goes through weft: ARP, ND, pings"
pings c1 10.0.0.2
pings c1 fd00::2
say "TCP in the kernel, IPv4 and IPv6"
tcp c1 c2 10.0.0.2 40000000
tcp c2 c1 fd00::1 40000000

say "what it has carried, while weftd sleeps"
spawn c2 "$work/server.log" iperf3 --server --one-off --forceflush
wait_for "iperf3 listens" 10 grep -q listening "$work/server.log"
spawn c1 "$work/iperf.json" iperf3 --client 10.0.0.2 --bytes 8000M --bitrate 4G --json
client=$last_spawned
data='.protocol == 6 and .destination == "10.0.0.2" and .bytes > 100000000'
wait_for "the flow is in the kernel" 5 flow_is "$data" .path kernel
busy() { awk '{ print $14 + $15 }' "/proc/${daemon[site-a]}/stat"; }
before=$(busy)
sleep 2
echo "weftd: $(($(busy) - before)) hundredths of a second of CPU time in two seconds"
(($(busy) - before <= 6)) || fail "weftd is busy with what the kernel carries"
weft site-a flows --limit 4
wait_for "iperf3 ends" 30 gone "$client"
wait_for "the connection is closing" 3 flow_is "$data" .state closing
flow_is "$data" .path weft || fail "a closing connection is still in the kernel"
payload=$(jq .end.sum_received.bytes "$work/iperf.json")
port=$(jq .start.connected[0].local_port "$work/iperf.json")
read -r packets bytes < <(flow "$data and .source_port == $port" '"\(.packets) \(.bytes)"')
carried=$((bytes - packets * 66))
echo "iperf3: $payload bytes; the flow: $packets packets, $bytes bytes, $carried without headers"
off=$(((carried - payload) * 100000 / payload))
((off >= -100 && off <= 100)) || fail "the flow's bytes differ from iperf3's by $off / 100000"
weft site-a status
[[ $(query site-a status .fast_path.checked_packets) -gt 0 ]] || fail "nothing was compared"
[[ $(query site-a status .fast_path.differed_packets) == 0 ]] || fail "the comparison found differences"

say "a station that moves from port to port, under eight flows: no packet goes the old way once weft knows"
on c1 ip link set eth0 arp off
inserted=$(query site-a status .fast_path.inserted)
"$here/moving_station.py" "${WEFT_CHANGES-200}" "$(ns_name c1)" "$(ns_name c2)" "$(ns_name c3)" || fail "packets went the old way, or were lost"
inserted=$(($(query site-a status .fast_path.inserted) - inserted))
echo "$inserted flows were given to the kernel meanwhile"
((inserted > ${WEFT_CHANGES-200})) || fail "the flows were not in the kernel, so nothing was tested"
[[ $(query site-a status .fast_path.differed_packets) == 0 ]] || fail "the comparison found differences"
on c1 ip link set eth0 arp on

say "an action that is corrupted is found out, and its flow taken back"
spawn c2 "$work/server.log" iperf3 --server --one-off --forceflush
wait_for "iperf3 listens" 10 grep -q listening "$work/server.log"
spawn c1 "$work/iperf.json" iperf3 --client 10.0.0.2 --udp --time 20 --bitrate 10M --length 200
client=$last_spawned
wait_for "the flow is in the kernel" 5 flow_is '.protocol == 17 and .destination_port == 5201 and .idle_s < 1' .path kernel
"$here/corrupt_action.py" "${daemon[site-a]}" "$(on site-a ip -j link show | jq '[.[] | select(.ifname | startswith("weftv"))][-1].ifindex')"
wait_for "the comparison finds it" 5 sh -c "[ \"\$('$WEFT_BIN/weft' --control '$work/site-a.sock' status --json | jq .fast_path.differed_packets)\" -gt 0 ]"
grep 'fast path: a packet from port' "$work/site-a.log" || fail "nobody was told"
kill "$client" 2>/dev/null || true

say "kill -9: no program, no link, no traffic is left"
pings c1 10.0.0.2
crash site-a
wait_for "nothing is left in site-a" 5 sh -c "[ -z \"\$(nsenter --net=/run/netns/$(ns_name site-a) ip -o link show | grep -v ' lo:')\" ]"
! reaches c1 10.0.0.2 || fail "traffic without a daemon"
