#!/bin/bash
# What an attacker can send: a stranger's key, a replayed capture, a flipped bit anywhere, garbage; and what a peer may not send:
# a foreign VNI, a foreign source address. Nothing is delivered, each is counted under its name, honest traffic goes on.
. "$(dirname "$0")/lib.sh"
need tcpdump

underlay
like_a_wire site-a site-b
key site-a site-b mallory

# site-a is honest about "lan" and 10.20.1.0/24 only: its bridge "other" and its prefix 10.66.0.0/24 are not what site-b
# allows it. (An honest weft would not be configured so; a peer that was taken over could be.)
{
    ports a 1
    cat <<END

[[bridge]]
name = "other"
vni = 200

[[port]]
name = "other0"
type = "tap"
netns = "$(ns_name host-a)"
bridge = "other"
address = ["10.30.0.11/24"]

[[port]]
name = "foreign0"
type = "tun"
netns = "$(ns_name host-a)"
address = ["10.66.0.1/24"]
END
    peer site-b 2 'endpoint = "203.0.113.2:4500"' | sed 's/bridges = .*/bridges = ["lan", "other"]/'
} | config site-a
{
    ports b 2
    cat <<END

[[bridge]]
name = "other"
vni = 200

[[port]]
name = "other0"
type = "tap"
netns = "$(ns_name host-b)"
bridge = "other"
address = ["10.30.0.12/24"]
END
    peer site-a 1
} | config site-b
start site-a site-b
wait_for "the first ping" 15 reaches host-a 10.10.0.12
wait_for "the first ping over L3" 15 reaches host-a 10.20.2.1

# Everything that host-b is given with a marker in it, or from a source that is not allowed.
capture host-b any "$work/delivered.pcap"
delivered_pid=$capture_pid
delivered() { tcpdump -n -r "$work/delivered.pcap" "$1" 2>/dev/null | wc -l; }

say "a frame for a VNI that the peer may not send to"
reaches host-a 10.30.0.12 >/dev/null && fail "10.30.0.12 answered"
wait_for "foreign_vni is counted" 5 dropped site-b foreign_vni 1

say "a source address that the peer may not use"
reaches host-a 10.20.2.1 -I 10.66.0.1 >/dev/null && fail "10.20.2.1 answered 10.66.0.1"
wait_for "foreign_source is counted" 5 dropped site-b foreign_source 1

say "a replayed capture"
capture router to-b "$work/replay.pcap" 'udp port 4500 and dst host 203.0.113.2 and udp[8:4] != 0 and greater 80'
on host-a ping -n -q -c 10 -i 0.02 -s 333 10.10.0.12 >/dev/null
captured
before=$(drops site-b replayed too_old)
wait_for "the pings stand in host-b's capture" 5 sh -c "[ \$(tcpdump -n -r $work/delivered.pcap 'icmp[0] = 8 and greater 361' 2>/dev/null | wc -l) -ge 10 ]"
seen=$(delivered 'icmp[0] = 8 and greater 361')
sent=$(on router "$here/inject.py" replay "$work/replay.pcap")
((sent >= 10)) || fail "only $sent datagrams were captured"
counted() { (($(drops site-b "${@:3}") - $1 >= $2)); }
wait_for "$sent replays are counted" 5 counted "$before" "$sent" replayed too_old
[[ $(delivered 'icmp[0] = 8 and greater 361') == "$seen" ]] || fail "a replayed datagram was delivered"
echo "$sent replayed, $sent counted, 0 delivered"

say "a flipped bit, anywhere"
# The router keeps the originals to itself, so that site-b has seen none of them.
sysctl_in router net/ipv4/ip_forward 0
capture router to-a "$work/kept.pcap" 'udp port 4500 and dst host 203.0.113.2 and udp[8:4] != 0 and greater 80'
on host-a ping -n -q -c 2 -i 0.02 -W 0.1 -s 77 10.10.0.12 >/dev/null || true
on host-a ping -n -q -c 2 -i 0.02 -W 0.1 -s 78 10.20.2.1 >/dev/null || true
captured
before=$(drops site-b)
sent=$(on router "$here/inject.py" flip "$work/kept.pcap")
((sent > 4000)) || fail "only $sent flips were sent"
all_counted() { (($(drops site-b) - before >= sent)); }
wait_for "$sent flips are counted" 10 all_counted
named=$(drops site-b auth_failed unknown_spi replayed too_old bad_control truncated)
((named >= sent)) || fail "$sent flips, but only $named drops under the names of hostile datagrams"
[[ $(delivered 'icmp[0] = 8 and (greater 105 and less 140)') == 0 ]] || fail "a flipped datagram was delivered"
weft site-b drops
say "the originals are still good: nothing that was forged moved the replay window"
on router "$here/inject.py" original "$work/kept.pcap" >/dev/null
arrived() { [[ $(delivered 'icmp[0] = 8 and (greater 105 and less 140)') == 4 ]]; }
wait_for "four originals arrive" 5 arrived
sysctl_in router net/ipv4/ip_forward 1
wait_for "honest traffic goes on" 5 reaches host-a 10.10.0.12

say "garbage of every length"
on router "$here/inject.py" garbage --to 203.0.113.2:4500 3000
pings host-a 10.10.0.12

say "a stranger's key"
# mallory sits on the router's own address and tells site-b that it is site-a; site-b knows another key for that.
ns mallory host-m
link mallory eth0 router to-m
address mallory eth0 192.0.2.66/24
address router to-m 192.0.2.1/24
on mallory ip route add default via 192.0.2.1
{
    cat <<END
[[bridge]]
name = "lan"
vni = 100

[[port]]
name = "lan0"
type = "tap"
netns = "$(ns_name host-m)"
bridge = "lan"
address = ["10.10.0.66/24"]
END
    peer site-b 2 'endpoint = "203.0.113.2:4500"'
} | config mallory
before=$(drops site-b handshake_failed)
start mallory
reaches host-m 10.10.0.12 >/dev/null && fail "site-b took a stranger in"
wait_for "handshake_failed is counted" 15 counted "$before" 1 handshake_failed
[[ $(delivered 'host 10.10.0.66') == 0 ]] || fail "a stranger's frame was delivered"
pings host-a 10.10.0.12
pings host-a 10.20.2.1

capture_pid=$delivered_pid
captured
say "what host-b was given from the forbidden"
for filter in 'host 10.66.0.1' 'host 10.30.0.11' 'host 10.10.0.66'; do
    [[ $(delivered "$filter") == 0 ]] || fail "delivered: $filter"
done
