#!/bin/bash
# Two sites whose underlay is IPv6: the same network, MTUs less by the longer header.
. "$(dirname "$0")/lib.sh"

ns host-a site-a site-b host-b
link site-a eth0 site-b eth0
address site-a eth0 2001:db8::1/64
address site-b eth0 2001:db8::2/64
key site-a site-b
{ echo '[underlay]'; echo 'esp = "[::]:4500"'; ports a 1; peer site-b 2 'endpoint = "[2001:db8::2]:4500"'; } | config site-a
{ echo '[underlay]'; echo 'esp = "[::]:4500"'; ports b 2; peer site-a 1; } | config site-b
start site-a site-b
wait_for "the sites' first ping" 15 reaches host-a 10.10.0.12

say "L2 and L3, IPv4 and IPv6, inside IPv6"
pings host-a 10.10.0.12
pings host-b 10.20.1.1
wait_for "IPv6 over the bridge" 10 reaches host-a fd00:10::12
wait_for "IPv6 over the TUN" 10 reaches host-a fd00:20:2::1
tcp host-a host-b 10.10.0.12
tcp host-b host-a 10.20.1.1

say "a datagram that fills the MTU, not to be fragmented"
for device in lan0 weft0; do
    mtu=$(mtu_of host-a "$device")
    [[ $device == lan0 ]] && to=10.10.0.12 || to=10.20.2.1
    reaches host-a "$to" -M "do" -s $((mtu - 28)) || fail "a datagram of $mtu bytes does not reach $to"
    echo "$device: MTU $mtu"
done
[[ $(mtu_of host-a lan0) == 1388 && $(mtu_of host-a weft0) == 1418 ]] || fail "the MTUs are not those of an IPv6 underlay"
query site-a peers '.peers[0].endpoint' | grep -qF '[2001:db8::2]:4500' || fail "the peer is not at its IPv6 address"
