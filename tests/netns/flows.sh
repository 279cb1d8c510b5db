#!/bin/bash
# What weft knows of flows: which there are, their state, what they have carried; and that a flow goes another way as soon as
# its bridge says so.
#
#   host-a, host-b, host-c  lan0 (TAP) ---- weftd's bridge, with a gateway
#   host-a  weft0 (TUN) ------------------- weftd's router
. "$(dirname "$0")/lib.sh"
need iperf3

ns site-a host-a host-b host-c
{
    echo '[[bridge]]
name = "lan"
gateway = ["10.0.0.1/24"]
'
    for host in a b c; do
        cat <<END
[[port]]
name = "$host"
type = "tap"
device = "lan0"
netns = "$(ns_name "host-$host")"
bridge = "lan"
address = ["10.0.0.1$((36#$host))/24", "fd00::1$((36#$host))/64"]

END
    done
    cat <<END
[[port]]
name = "weft0"
type = "tun"
netns = "$(ns_name host-a)"
address = ["10.1.0.1/24"]
END
} | config site-a
start site-a
for host in a b c; do on "host-$host" ip -br -4 addr show lan0; done
a=10.0.0.110 b=10.0.0.111

# flow FILTER FIELD: of the first flow that the filter lets through.
flow() { weft site-a flows --limit 1000 --json | jq -r "first(.flows[] | select($1)) | $2"; }
flow_is() { [[ $(flow "$1" "$2") == "$3" ]]; }

say "a ping is a flow each way"
wait_for "the first ping" 10 reaches host-a "$b"
pings host-a "$b"
to_b=".protocol == 1 and .destination == \"$b\" and .packets == 20"
[[ $(flow "$to_b" '[.in, .out, .bridge, .state] | join(" ")') == "a b lan established" ]] || fail "the ping: $(weft site-a flows)"
flow_is ".protocol == 1 and .source == \"$b\" and .packets == 20" .bytes 1960 || fail "the answers: $(weft site-a flows)"

say "a TCP connection, from its handshake to its end, and what it has carried"
rm -f "$work/iperf.json"
spawn host-b "$work/server.log" iperf3 --server --one-off --forceflush
wait_for "iperf3 listens" 10 grep -q listening "$work/server.log"
spawn host-a "$work/iperf.json" iperf3 --client "$b" --bytes 1000M --bitrate 2G --json
client=$last_spawned
data=".protocol == 6 and .destination == \"$b\" and .bytes > 1000000"
wait_for "the connection is established" 3 flow_is "$data" .state established
wait_for "its rate is known" 4 flow_is "$data" '.bits_per_s > 1000000' true
weft site-a flows --limit 6
wait_for "iperf3 ends" 10 gone "$client"
wait_for "the connection is closing" 2 flow_is "$data" .state closing
port=$(jq .start.connected[0].local_port "$work/iperf.json")
payload=$(jq .end.sum_received.bytes "$work/iperf.json")
read -r packets bytes < <(flow "$data and .source_port == $port" '"\(.packets) \(.bytes)"')
carried=$((bytes - packets * 66))
echo "iperf3: $payload bytes; the flow: $packets packets, $bytes bytes, $carried without headers"
off=$(((carried - payload) * 100000 / payload))
((off >= -100 && off <= 100)) || fail "the flow's bytes differ from iperf3's by $off / 100000"

say "what is routed is followed as well"
on host-a ip route replace 10.0.0.111 via 10.1.0.2 dev weft0 src 10.1.0.1
on host-b ip route replace 10.1.0.0/24 via 10.0.0.1
pings host-a "$b" 5
[[ $(flow '.bridge == null and .protocol == 1 and .source == "10.1.0.1"' '[.in, .out, .state] | join(" ")') == "weft0 lan established" ]] ||
    fail "the routed ping: $(weft site-a flows)"
on host-a ip route delete 10.0.0.111

say "a station that moves takes its flows along at once"
on host-a ping -n -q -i 0.05 -c 200 "$b" >"$work/ping.log" &
pinger=$!
spawned+=("$pinger")
wait_for "the ping is established" 5 flow_is ".protocol == 1 and .destination == \"$b\" and .idle_s < 0.2 and .packets > 5" .out b
mac=$(mac_of host-b lan0)
on host-b ip link set lan0 down
on host-c ip link set lan0 down
on host-c ip link set lan0 address "$mac"
on host-c ip addr add "$b/24" dev lan0
on host-c ip link set lan0 up
on host-c ping -n -q -c 1 -W 1 "$a"
wait_for "the flow goes to c" 1 flow_is ".protocol == 1 and .destination == \"$b\" and .in == \"a\" and .idle_s < 0.2 and .packets > 5" .out c
wait "$pinger" || true
grep received "$work/ping.log"
received=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$work/ping.log")
((received > 100)) || fail "after the move the ping was not answered"
