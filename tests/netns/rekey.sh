#!/bin/bash
# Keys are renewed again and again, as by `weft rekey`, under a flow of UDP that does not fill the way: not a datagram is lost and
# none is overtaken, in either direction, with one worker and with two.
#
# WEFT_REKEYS   in each run (100). The figures: WEFT_REKEYS=1000 WEFT_BIN=build/release/bin WEFT_RATE=400M tests/netns/rekey.sh
# WEFT_RATE     of the flow (40M)
. "$(dirname "$0")/lib.sh"
need iperf3

rekeys=${WEFT_REKEYS-100}
rate=${WEFT_RATE-40M}

# socket_errors NAME: datagrams that iperf3's own socket had no room for, which is none of weft's doing.
socket_errors() { on "$1" cat /proc/net/snmp | grep ^Udp: | tail -1 | cut -d' ' -f6; }

listens() { on "$1" sh -c "grep -qi ':1451 .* 0A ' /proc/net/tcp /proc/net/tcp6"; }  # port 5201

# rekeyed FROM TO ADDRESS: a flow from one host to the other, and as many rekeys meanwhile, by site-a.
rekeyed() {
    local from=$1 to=$2 address=$3 renewed errors flow server udp
    local seconds=$((rekeys / 12 + 4))  # of which some are for a busy machine
    spawn "$to" "$work/server.json" iperf3 --server --one-off --json
    server=$last_spawned
    wait_for "iperf3 listens" 10 listens "$to"
    errors=$(socket_errors "$to")
    spawn "$from" "$work/client.json" iperf3 --client "$address" --udp --length 1000 --window 2M --bitrate "$rate" --time "$seconds" --json
    flow=$last_spawned
    sleep 1
    renewed=$("$here/rekey.py" "$work/site-a.sock" site-b "$rekeys" $((seconds - 2)))
    wait_for "iperf3 ends" $((seconds + 10)) gone "$flow"
    wait_for "iperf3's server ends" 10 gone "$server"
    udp=$(jq -r '.end.streams[0].udp | "\(.packets) \(.lost_packets) \(.out_of_order)"' "$work/server.json") || fail "iperf3: $(jq -r .error "$work/client.json" "$work/server.json")"
    echo "$from -> $to: $renewed rekeys; iperf3's datagrams, lost, out of order: $udp; its socket lost $(($(socket_errors "$to") - errors))"
    ((renewed >= rekeys)) || fail "only $renewed rekeys in the time"
    [[ $udp == [1-9]*" 0 0" ]] || fail "iperf3 $from -> $to: $udp; $(weft site-a drops; weft site-b drops)"
}

# What a rekey that goes wrong is counted under.
lost() { drops "$1" unknown_spi replayed too_old auth_failed no_session sa_exhausted no_endpoint no_buffer queue_full; }

# A second of the flow has room in the kernel's rings: the machine may have other work, too.
deep_ports() { ports "$@" | sed '/^type = /a txqueuelen = 10000'; }

underlay
key site-a site-b
for workers in 1 2; do
    say "$workers workers"
    [[ -z ${daemon[site-a]-} ]] || stop site-a site-b
    { deep_ports a 1; peer site-b 2 'endpoint = "203.0.113.2:4500"'; } | config site-a "workers = $workers"
    { deep_ports b 2; peer site-a 1; } | config site-b "workers = $workers"
    start site-a site-b
    wait_for "the sites' first ping" 15 reaches host-a 10.20.2.1
    before=$(($(lost site-a) + $(lost site-b)))
    rekeyed host-a host-b 10.20.2.1
    rekeyed host-b host-a 10.10.0.11
    echo "dropped meanwhile, by the daemons' counters: $(($(lost site-a) + $(lost site-b) - before))"
    (($(lost site-a) + $(lost site-b) == before)) || fail "$(weft site-a drops; weft site-b drops)"
done

say "weft rekey says what it does, and why not"
[[ $(weft site-a rekey) == "site-b: handshake started" ]] || fail "rekey of all peers"
[[ $(weft site-b --json rekey site-a | jq -c .) == '{"rekeyed":["site-a"]}' ]] || fail "rekey as JSON"
if weft site-a rekey site-c >"$work/rekey.out" 2>&1; then fail "a peer that is not there is rekeyed"; fi
grep -q "no peer is called 'site-c': did you mean 'site-b'?" "$work/rekey.out" || fail "$(cat "$work/rekey.out")"
