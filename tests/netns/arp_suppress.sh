#!/bin/bash
# A bridge that answers ARP and neighbor discovery for its stations: what a container asks about a station of the other site is answered
# at its own site once that is known, and nothing of it crosses the tunnel; a station that moves is found again.
#
#   host-a  lan0, lan1 (TAPs) ---- site-a ==== site-b ---- lan0 (TAP)  host-b
. "$(dirname "$0")/lib.sh"
need tcpdump python3

underlay
ns other-a
key site-a site-b
suppress() { sed 's/^vni = 100/vni = 100\narp_suppress = true/'; }
second='
[[port]]
name = "lan1"
type = "tap"
device = "lan0"
netns = "'$(ns_name other-a)'"
bridge = "lan"
address = ["10.10.0.21/24", "fd00:10::21/64"]'
{ ports a 1; echo "$second"; peer site-b 2 'endpoint = "203.0.113.2:4500"'; } | suppress | config site-a
{ ports b 2; peer site-a 1; } | suppress | config site-b
start site-a site-b
wait_for "the sites' first ping" 15 reaches host-a 10.10.0.12
pings host-a fd00:10::12 3

say "another container asks for the same station: not over the tunnel"
capture host-b lan0 "$work/asked.pcap" "arp[6:2] == 1 or icmp6[0] == 135"
pings other-a 10.10.0.12 3
pings other-a fd00:10::12 3
captured
broadcasts=$(tcpdump -e -n -r "$work/asked.pcap" "ether src $(mac_of other-a lan0) and ether[0] & 1 == 1 and not src host ::" 2>/dev/null | tee "$work/asked.txt" | wc -l)
((broadcasts == 0)) || fail "$broadcasts requests have crossed: $(cat "$work/asked.txt")"
[[ $(on other-a ip -j neighbor show 10.10.0.12 | jq -r '.[0].lladdr') == "$(mac_of host-b lan0)" ]] || fail "another MAC address than host-b's"

say "what nobody knows is asked everywhere"
capture host-b lan0 "$work/unknown.pcap" arp
on other-a ping -n -q -c 1 -W 1 10.10.0.99 >/dev/null || true
wait_for "the request arrives" 5 sh -c "tcpdump -n -r '$work/unknown.pcap' 'arp and host 10.10.0.99' 2>/dev/null | grep -q who-has"
captured

say "an address that moves to the other site, to another MAC address, is found there"
on host-b ip address delete 10.10.0.12/24 dev lan0
address host-a lan0 10.10.0.12/24
on host-a python3 -c 'import socket, sys
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("lan0", 0))
mac, address = out.getsockname()[4], socket.inet_aton(sys.argv[1])
out.send(b"\xff" * 6 + mac + b"\x08\x06\0\1\x08\0\6\4\0\1" + mac + address + bytes(6) + address)' 10.10.0.12 # gratuitous ARP, as who moves sends
on other-a ip neighbor flush dev lan0 || true
pings other-a 10.10.0.12 3
[[ $(on other-a ip -j neighbor show 10.10.0.12 | jq -r '.[0].lladdr') == "$(mac_of host-a lan0)" ]] || fail "not where it is now"
