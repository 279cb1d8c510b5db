#!/bin/bash
# The path between two sites grows narrower while they talk, hop by hop and without a word of ICMP: a TCP transfer goes on,
# frames of 1500 bytes still cross, and what the sites take the path for is what it carries.
#
# WEFT_PATH_SECONDS   how long a path stays as it is (default: 3)
. "$(dirname "$0")/lib.sh"
need nft
hold=${WEFT_PATH_SECONDS-3}

underlay
# What leaves a site are real datagrams, each of which a hop can find too large.
like_a_wire site-a site-b
on router nft -f - <<'END'
table inet filter {
    chain output {
        type filter hook output priority 0;
        icmp type { destination-unreachable, time-exceeded } drop
    }
}
END
key site-a site-b
# The hosts on the bridge have Ethernet's usual MTU, as behind a packet port.
{ ports a 1 | sed 's/^type = "tap"/&\nmtu = 1500/'; peer site-b 2 'endpoint = "203.0.113.2:4500"'; } | config site-a
{ ports b 2 | sed 's/^type = "tap"/&\nmtu = 1500/'; peer site-a 1; } | config site-b

# path MTU: of both hops at the router. A frame that is too large for either is lost there.
path() {
    on router ip link set to-a mtu "$1"
    on router ip link set to-b mtu "$1"
}

# knows SITE MTU: it has measured the path to within a few bytes. 0: not yet.
knows() {
    local mtu
    mtu=$(query "$1" peers '.peers[0].path_mtu_bytes // 0')
    ((mtu <= $2 && mtu > $2 - 8))
}

# pouring CLIENT SERVER ADDRESS WIDTH...: bytes flow while the path takes these widths, one after the other.
pouring() {
    local client=$1 server=$2 to=$3 port=$((10000 + RANDOM % 20000)) gap width
    shift 3
    spawn "$server" "$work/sink.log" "$here/traffic.py" sink "$port"
    wait_for "$server listens" 10 on "$server" sh -c "grep -qi ':$(printf %04x "$port") .* 0A ' /proc/net/tcp /proc/net/tcp6"
    spawn "$client" "$work/pour.log" "$here/traffic.py" pour "$to" "$port" "$((hold * ($# + 1)))" 100
    local pouring=$last_spawned
    for width in "$@"; do
        sleep "$hold"
        path "$width"
    done
    wait "$pouring" || fail "pouring $client -> $to: $(cat "$work/pour.log")"
    wait_for "the sink is done" 10 grep -q gap "$work/sink.log"
    gap=$(sed -n 's/longest gap: \([0-9]*\) ms/\1/p' "$work/sink.log")
    echo "$(cat "$work/pour.log"); paths of 1500 $*: longest gap $gap ms"
    ((gap <= 3000)) || fail "the transfer stood still for $gap ms"
}

for way in "host-a host-b 10.10.0.12" "host-a host-b 10.20.2.1" "host-b host-a fd00:20:1::1"; do
    say "${way/host-? host-? /to }"
    path 1500
    start site-a site-b
    wait_for "the sites' first ping" 15 reaches host-a 10.10.0.12
    wait_for "the path is measured" 10 knows site-a 1500
    read -r client server to <<<"$way"
    pouring "$client" "$server" "$to" 1400 1280
    sender=site-${client#host-}
    wait_for "$sender knows the path" 15 knows "$sender" 1280
    stop site-a site-b
done

# told HOST ADDRESS: that a datagram which fills the TUN's MTU does not go whole.
told() {
    local said
    said=$(on "$1" ping -n -c 1 -W 1 -M "do" -s 1410 "$2" 2>&1) || true
    grep -qi 'frag needed\|too long' <<<"$said"
}

for width in 1500 1400 1280; do
    say "a path of $width from the beginning"
    path "$width"
    start site-a site-b
    wait_for "the sites' first ping" 15 reaches host-a 10.10.0.12
    wait_for "site-a has measured the path" 15 knows site-a "$width"
    wait_for "site-b has measured the path" 15 knows site-b "$width"
    said=$(on host-a ping -n -q -c 20 -i 0.02 -W 2 -M "do" -s 1472 10.10.0.12) || true
    grep -q ' 20 received, 0% packet loss' <<<"$said" || fail "1500-byte datagrams over the bridge: $said"
    tcp host-a host-b 10.10.0.12
    tcp host-a host-b 10.20.2.1
    [[ $width == 1500 ]] || wait_for "host-a is told that its datagrams are too large" 10 told host-a 10.20.2.1
    stop site-a site-b
done
