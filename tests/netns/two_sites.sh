#!/bin/bash
# Two sites become one network: a host of one reaches a host of the other over the stretched bridge and over the routed
# prefixes, and the underlay sees nothing of it.
. "$(dirname "$0")/lib.sh"
need tcpdump

two_sites
capture router to-a "$work/underlay.pcap"

say "L2: ARP and neighbor discovery across the tunnel"
wait_for "IPv6 over the bridge" 10 reaches host-a fd00:10::12
pings host-a 10.10.0.12
pings host-b 10.10.0.11
pings host-a fd00:10::12
mac_b=$(mac_of host-b lan0)
[[ $(on host-a ip -j neighbor show 10.10.0.12 | jq -r '.[0].lladdr') == "$mac_b" ]] || fail "host-a did not learn host-b's own MAC address"
weft site-a fdb --json | grep -q "$mac_b" || fail "site-a's bridge did not learn host-b's MAC address"

say "L3: the routed prefixes"
wait_for "IPv6 over the TUN" 10 reaches host-a fd00:20:2::1
pings host-a 10.20.2.1
pings host-b 10.20.1.1
pings host-a fd00:20:2::1
on host-a ip route get 10.20.2.1 | grep -q 'dev weft0' || fail "no route to site-b's prefix through weft0"

say "TCP both ways, over L2 and L3, IPv4 and IPv6"
tcp host-a host-b 10.10.0.12
tcp host-b host-a 10.10.0.11
tcp host-a host-b 10.20.2.1
tcp host-b host-a 10.20.1.1
tcp host-a host-b fd00:10::12
tcp host-b host-a fd00:20:1::1

say "a datagram that fills the MTU, not to be fragmented"
for device in lan0 weft0; do
    mtu=$(mtu_of host-a "$device")
    [[ $device == lan0 ]] && to=10.10.0.12 || to=10.20.2.1
    reaches host-a "$to" -M "do" -s $((mtu - 28)) || fail "a datagram of $mtu bytes does not reach $to"
    echo "$device: MTU $mtu"
done

say "a payload that can be searched for"
plain='weft plain text!'
hex=$(printf %s "$plain" | od -An -tx1 | tr -d ' \n')
for to in 10.10.0.12 10.20.2.1; do
    on host-a ping -n -q -c 3 -i 0.1 -s 200 -p "$hex" "$to"
done

captured
say "what the underlay saw"
seen() { tcpdump -n -r "$work/underlay.pcap" "$1" 2>/dev/null; }
echo "ESP in UDP: $(seen 'udp port 4500' | wc -l) datagrams"
other=$(seen 'not udp port 4500 and not arp and not (ip6 and dst net ff00::/8)')
[[ -z $other ]] || fail "the underlay saw more than ESP in UDP: $(head -3 <<<"$other")"
[[ -z $(seen 'ip[6:2] & 0x3fff != 0') ]] || fail "fragments on the underlay: the MTU is wrong"
! grep -qaF "$plain" "$work/underlay.pcap" || fail "the payload travels in the clear"

say "what the daemons say"
weft site-a status
weft site-a ports
weft site-a peers
weft site-a fdb
weft site-a routes
