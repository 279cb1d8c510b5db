#!/bin/bash
# weft as a router: bridges with gateway addresses, ARP, neighbor discovery and ping of the gateway, routing between bridges and
# to a TUN, and the ICMP errors that a router owes: time exceeded, unreachable, too big.
#
#   host-a  lan0 10.1.0.2, fd00:1::2 -- bridge "one" (gateway 10.1.0.1) --.
#   host-b  lan0 10.2.0.2, fd00:2::2 -- bridge "two" (gateway 10.2.0.1) ---- router ---- weft0 10.3.0.2, fd00:3::2  host-c
. "$(dirname "$0")/lib.sh"

ns site-a host-a host-b host-c
config site-a <<END
[[bridge]]
name = "one"
gateway = ["10.1.0.1/24", "fd00:1::1/64"]

[[bridge]]
name = "two"
gateway = ["10.2.0.1/24", "fd00:2::1/64"]

[[port]]
name = "a"
type = "tap"
device = "lan0"
netns = "$(ns_name host-a)"
bridge = "one"
address = ["10.1.0.2/24", "fd00:1::2/64"]
mtu = 1500

[[port]]
name = "b"
type = "tap"
device = "lan0"
netns = "$(ns_name host-b)"
bridge = "two"
address = ["10.2.0.2/24", "fd00:2::2/64"]
mtu = 1500

[[port]]
name = "weft0"
type = "tun"
netns = "$(ns_name host-c)"
address = ["10.3.0.2/24", "fd00:3::2/64"]
mtu = 1280
END
start site-a
for pair in a:1 b:2; do
    letter=${pair%:*} number=${pair#*:}
    on "host-$letter" ip route add default via "10.$number.0.1"
    on "host-$letter" ip -6 route add default via "fd00:$number::1"
done

say "the gateway answers ARP, neighbor discovery and ping"
wait_for "the gateway" 10 reaches host-a 10.1.0.1
pings host-a 10.1.0.1
wait_for "the gateway over IPv6" 10 reaches host-a fd00:1::1
pings host-a fd00:1::1
pings host-a 10.2.0.1 5
on host-a ip neighbor show 10.1.0.1

say "between bridges"
wait_for "host-b" 10 reaches host-a 10.2.0.2
pings host-a 10.2.0.2
pings host-b 10.1.0.2
wait_for "host-b over IPv6" 10 reaches host-a fd00:2::2
pings host-a fd00:2::2
tcp host-a host-b 10.2.0.2
tcp host-b host-a fd00:1::2
[[ $(on host-a ping -n -c 1 10.2.0.2 | sed -n 's/.*ttl=\([0-9]*\).*/\1/p') == 63 ]] || fail "one hop, but the TTL is not 63"

say "between a bridge and a TUN; weft itself put the routes back into host-c"
on host-c ip route get 10.1.0.2 | grep -q 'dev weft0' || fail "host-c has no route to the gateways' networks"
wait_for "host-c" 10 reaches host-a 10.3.0.2
pings host-a 10.3.0.2
pings host-c 10.2.0.2
wait_for "host-c over IPv6" 10 reaches host-a fd00:3::2
tcp host-a host-c 10.3.0.2
tcp host-c host-b 10.2.0.2

# complains NAME ADDRESS PATTERN [PING-OPTION...]
complains() {
    local name=$1 to=$2 pattern=$3 said
    shift 3
    said=$(on "$name" ping -n -c 1 -W 4 "$@" "$to" 2>&1) && fail "$to answered"
    grep -iE "$pattern" <<<"$said" || fail "ping $* $to: $said"
}

say "time exceeded, from the gateway's own address: the first line of a traceroute"
complains host-a 10.2.0.2 'from 10\.1\.0\.1.*time to live exceeded' -t 1
complains host-a fd00:2::2 'from fd00:1::1.*(time exceeded|hop limit)' -t 1

say "unreachable: no route, and nobody there"
complains host-a 192.0.2.9 'from 10\.1\.0\.1.*net(work)? unreachable'
complains host-a 2001:db8::9 'from fd00:1::1.*no route'
complains host-a 10.2.0.77 'from 10\.1\.0\.1.*host unreachable'
complains host-a fd00:2::77 'from fd00:1::1.*address unreachable'

say "too big, with the next hop's MTU in it; path MTU discovery gets through"
complains host-a 10.3.0.2 'mtu *= *1280' -M "do" -s 1400
on host-a ip route get 10.3.0.2 | grep -q 'mtu 1280' || fail "host-a did not learn the path's MTU"
complains host-a fd00:3::2 '(packet too big|mtu *= *1280)' -M "do" -s 1400
reaches host-a 10.3.0.2 -M "do" -s 1252 || fail "a datagram that just fits does not arrive"

say "a flood of errors is rate limited; what caused them is counted all the same"
before=$(drops site-a ttl_exceeded)
summary=$(on host-a ping -n -q -f -l 400 -c 500 -t 1 10.2.0.2) || true
errors=$(sed -n 's/.*+\([0-9]*\) errors.*/\1/p' <<<"$summary")
wait_for "500 under ttl_exceeded" 5 dropped site-a ttl_exceeded $((before + 500))
echo "$errors of 500 were answered by an error"
# At most 50 at once and 100 a second more; 400 of the 500 came at once.
((errors >= 20 && errors < 500)) || fail "that is no rate limit: $summary"
pings host-a 10.2.0.2

weft site-a routes
weft site-a drops
