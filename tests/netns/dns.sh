#!/bin/bash
# A peer that is known by a name is found again when the name has other addresses; where it has an IPv4 and an IPv6 address,
# either way will do when the other one breaks. A name server that does not answer keeps nobody from ending.
#
# The name server stands where the machine's resolv.conf expects one, inside site-a.
. "$(dirname "$0")/lib.sh"
need dnsmasq nft

server=$(awk '$1 == "nameserver" && $2 ~ /^[0-9.]+$/ { print $2; exit }' /etc/resolv.conf 2>/dev/null) || true
server=${server:-127.0.0.1}
name=b.weft.test

underlay
address site-a eth0 2001:db8:a::2/64
address router to-a 2001:db8:a::1/64
address site-b eth0 2001:db8:b::2/64
address router to-b 2001:db8:b::1/64
sysctl_in router net/ipv6/conf/all/forwarding 1
sysctl_in site-b net/ipv4/conf/all/promote_secondaries 1
on site-a ip -6 route add default via 2001:db8:a::1
on site-b ip -6 route add default via 2001:db8:b::1
[[ $server == 127.* ]] || address site-a lo "$server/32"

# broken FAMILY: what is of this family (ip or ip6) and no other is lost on the way from now on, in silence.
broken() {
    on router nft -f - <<END || skip "the kernel has no nf_tables"
flush ruleset
table $1 broken {
    chain way {
        type filter hook forward priority filter; policy drop
    }
}
END
}

# resolves ADDRESS...: to what the name leads from now on.
resolves() {
    local one
    for one in "$@"; do echo "$one $name"; done >"$work/hosts"
    [[ -z ${dns_pid-} ]] || kill -HUP "$dns_pid"
}
resolves 203.0.113.2
spawn site-a "$work/dnsmasq.out" dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --user=root \
    --pid-file= --bind-interfaces "--listen-address=$server" "--addn-hosts=$work/hosts" --local-ttl=0
dns_pid=$last_spawned
wait_for "the name server answers" 5 on site-a getent ahosts "$name"

key site-a site-b
{ printf '[underlay]\nesp = "[::]:4500"\n'; ports a 1; peer site-b 2 "endpoint = \"$name:4500\""; } | config site-a
{ printf '[underlay]\nesp = "[::]:4500"\n'; ports b 2; peer site-a 1; } | config site-b
start site-a site-b
spawn site-a "$work/events" "$WEFT_BIN/weft" --control "$work/site-a.sock" --json monitor
wait_for "the first ping" 15 reaches host-a 10.10.0.12

endpoint_is() { [[ $(query site-a peers '.peers[0].endpoint') == "$1" ]]; }
state_is() { [[ $(query site-a peers '.peers[0].state') == "$1" ]]; }
# told EVENT KEY VALUE
told() {
    jq -se --arg event "$1" --arg key "$2" --arg value "$3" \
        'any(.[]; .event == $event and (.[$key] | tostring) == $value)' "$work/events"
}
# back WHAT: how long it takes until pings are answered again.
back() {
    local begun
    begun=$(now_ms)
    wait_for "$1" 15 reaches host-a 10.10.0.12
    echo "$1: after $(($(now_ms) - begun)) ms"
}
endpoint_is 203.0.113.2:4500 || fail "site-b is not where its name leads"

say "site-b restarts at other addresses, and its name follows"
crash site-b
on site-b ip address add 203.0.113.3/24 dev eth0
on site-b ip address del 203.0.113.2/24 dev eth0
reaches host-a 10.10.0.12 && fail "who answers?"
wait_for "site-b is silent" 10 state_is silent
wait_for "silence is told" 5 told peer_silent peer site-b
resolves 203.0.113.3 2001:db8:b::2
start site-b
back "found at the new address"
wait_for "its new addresses are told" 5 jq -se 'any(.[]; .event == "endpoint_resolved" and
    (.addresses | sort) == ["2001:db8:b::2", "203.0.113.3"])' "$work/events"
wait_for "that it is heard is told" 5 told peer_heard peer site-b
wait_for "its move is told" 5 told endpoint_moved from 203.0.113.2:4500

# Which of its places answered first is chance.
for _ in 1 2; do
    if endpoint_is 203.0.113.3:4500; then
        say "IPv4 breaks, IPv6 does"
        broken ip
        back "over IPv6"
        wait_for "site-b is seen at its IPv6 address" 5 endpoint_is '[2001:db8:b::2]:4500'
    else
        endpoint_is '[2001:db8:b::2]:4500' || fail "where is site-b?"
        say "IPv6 breaks, IPv4 does"
        broken ip6
        back "over IPv4"
        wait_for "site-b is seen at its IPv4 address" 5 endpoint_is 203.0.113.3:4500
    fi
done

say "the name server is silent: the daemon ends all the same"
stop site-a
kill -STOP "$dns_pid"
start site-a
begun=$(now_ms)
stop site-a
took=$(($(now_ms) - begun))
kill -CONT "$dns_pid"
((took < 2000)) || fail "the daemon took $took ms to end"
echo "ended within $took ms"
grep -q 'closed the connection' "$work/events" || fail "the monitor did not say that the daemon has gone"
