#!/bin/bash
# Several workers: parallel streams cross between sites with two workers each, with two and one, two and three; every worker
# carries traffic and gets only what is for it, no flow is reordered, what one worker has learned the others know, and a
# restart heals as with one.
. "$(dirname "$0")/lib.sh"
need iperf3

underlay
key site-a site-b

# sites WORKERS-A WORKERS-B: both anew.
sites() {
    say "$1 and $2 workers"
    [[ -z ${daemon[site-a]-} ]] || stop site-a site-b
    { ports a 1; peer site-b 2 'endpoint = "203.0.113.2:4500"'; } | config site-a "workers = $1"
    { ports b 2; peer site-a 1; } | config site-b "workers = $2"
    start site-a site-b
    wait_for "the sites' first ping" 15 reaches host-a 10.10.0.12
}

# streams FROM TO ADDRESS [IPERF-OPTION...]: iperf3's result, as JSON, is in $result.
streams() {
    local from=$1 to=$2 address=$3
    shift 3
    rm -f "$work/iperf-server.log"
    spawn "$to" "$work/iperf-server.log" iperf3 --server --one-off --forceflush
    wait_for "iperf3 listens" 10 grep -q listening "$work/iperf-server.log"
    result=$(on "$from" timeout 60 iperf3 --client "$address" --json "$@") ||
        fail "iperf3 $from -> $to: $(jq -r '.error? // .' <<<"$result" | tail -3)"
    jq -e 'has("error") | not' <<<"$result" >/dev/null || fail "iperf3 $from -> $to: $(jq -r .error <<<"$result")"
    wait_for "iperf3 ends" 10 gone "$last_spawned"
}

# many FROM TO ADDRESS: eight TCP streams each way.
many() {
    streams "$@" --bidir --parallel 4 --time 2
    echo "$1 <-> $2 ($3): $(jq '(.end.sum_received.bits_per_second + .end.sum_received_bidir_reverse.bits_per_second) / 1e6 | floor' <<<"$result") Mbit/s"
}

# in_order FROM TO ADDRESS: a single UDP flow, of which nothing overtakes anything.
in_order() {
    local disordered
    streams "$@" --udp --length 1000 --bitrate 60M --time 2
    disordered=$(jq '[.end.streams[].udp.out_of_order] | add' <<<"$result")
    echo "$1 -> $2: $(jq '.end.sum.packets' <<<"$result") datagrams, $disordered out of order"
    ((disordered == 0)) || fail "$disordered datagrams of one flow were overtaken"
}

# work SITE WORKERS BUSY: as many workers as that, of which so many have carried a share: of all traffic and of the peer's.
work() {
    local answer shares busy
    for answer in "status .per_worker" "peers .peers[0].per_worker"; do
        read -ra shares <<<"$(query "$1" "${answer% *}" "[${answer#* }[] | .rx_packets + .tx_packets] | map(tostring) | join(\" \")")"
        echo "$1 ${answer% *}: packets by worker: ${shares[*]}"
        ((${#shares[@]} == $2)) || fail "$1 tells of ${#shares[@]} workers, not $2"
        busy=0
        for share in "${shares[@]}"; do ((share < 1000)) || busy=$((busy + 1)); done
        ((busy >= $3)) || fail "$busy of $1's workers are busy, not $3"
    done
}

# partners FROM TO: what each worker has sent is what its partner, with equal numbers its like, has received. What a full socket
# lost on the way is a percent at most; a second flow of the same size would be half. The receiver is asked first: a packet may
# always be under way.
partners() {
    local sent received i
    read -ra received <<<"$(query "$2" peers '[.peers[0].per_worker[].rx_packets] | map(tostring) | join(" ")')"
    read -ra sent <<<"$(query "$1" peers '[.peers[0].per_worker[].tx_packets] | map(tostring) | join(" ")')"
    echo "$1 sent ${sent[*]}, $2 received ${received[*]}"
    for i in "${!sent[@]}"; do
        ((received[i] <= sent[i] && received[i] * 100 >= sent[i] * 99)) || fail "packets have gone to another worker than their sender's partner"
    done
}

# astray: datagrams that came to a worker which has no SA for them, or twice.
astray() { echo $(($(drops site-a unknown_spi replayed too_old auth_failed) + $(drops site-b unknown_spi replayed too_old auth_failed))); }

# exchange WORKERS-A WORKERS-B: a flow rests with a pair of workers, one of each side, so of the larger number some stay idle.
exchange() {
    local before busy=$(($1 < $2 ? $1 : $2))
    before=$(astray)
    many host-a host-b 10.10.0.12
    many host-a host-b 10.20.2.1
    tcp host-a host-b fd00:10::12
    tcp host-b host-a 10.20.1.1
    in_order host-a host-b 10.10.0.12
    in_order host-b host-a 10.20.1.1
    work site-a "$1" "$busy"
    work site-b "$2" "$busy"
    (($(astray) == before)) || fail "packets went astray: $(weft site-a drops; weft site-b drops)"
}

sites 2 2
exchange 2 2
partners site-a site-b
partners site-b site-a

say "a station is known to all workers: nothing is flooded to a third port"
ns other
cat "$work/site-a.toml" - >"$work/with-other.toml" <<END

[[port]]
name = "other0"
type = "tap"
netns = "$(ns_name other)"
bridge = "lan"
address = ["10.10.0.99/24"]
END
mv "$work/with-other.toml" "$work/site-a.toml"
stop site-a
start site-a
wait_for "traffic after the restart" 10 reaches host-a 10.10.0.12
wait_for "host-b knows where host-a is" 10 reaches host-b 10.10.0.11
pings host-a 10.10.0.12 5
before=$(query site-a ports '.ports[] | select(.port == "other0") | .tx_packets')
streams host-a host-b 10.10.0.12 --parallel 8 --time 1
streams host-a host-b 10.10.0.12 --reverse --parallel 8 --time 1
flooded=$(($(query site-a ports '.ports[] | select(.port == "other0") | .tx_packets') - before))
echo "the third port was sent $flooded packets"
((flooded < 20)) || fail "$flooded packets were flooded: a worker does not know where a station is"

say "site-b is killed, and comes back with three workers"
crash site-b
{ ports b 2; peer site-a 1; } | config site-b "workers = 3"
start site-b
started=$(now_ms)
wait_for "traffic after the restart" 20 reaches host-a 10.10.0.12 -W 0.2
took=$(($(now_ms) - started))
echo "answered after $took ms"
((took <= 5000)) || fail "traffic took $took ms to return"
exchange 2 3

sites 2 1
exchange 2 1
sites 1 2
exchange 1 2

say "the port belongs to one node: another one with several workers does not get half of its datagrams"
sed "s/\"site-b\"/\"twin\"/; s/site-b\.sock/twin.sock/" "$work/site-b.toml" >"$work/twin.toml"
if on site-b timeout 10 "$WEFT_BIN/weftd" --config "$work/twin.toml" >"$work/twin.out" 2>&1; then fail "a twin shares site-b's port"; fi
grep -q 'ss -ulpn' "$work/twin.out" || fail "the twin says: $(cat "$work/twin.out")"

say "plain VXLAN, 2 and 2 workers"
stop site-a site-b
plain() { printf '\n[[peer]]\nname = "%s"\nencryption = "none"\nbridges = ["lan"]\nendpoint = "%s:4789"\n' "$@"; }
{ ports a 1; plain site-b 203.0.113.2; } | config site-a "workers = 2"
{ ports b 2; plain site-a 198.51.100.2; } | config site-b "workers = 2"
start site-a site-b
wait_for "the sites' first ping" 15 reaches host-a 10.10.0.12
many host-a host-b 10.10.0.12
tcp host-b host-a 10.10.0.11
in_order host-a host-b 10.10.0.12
in_order host-b host-a 10.10.0.11
work site-a 2 2
work site-b 2 2
