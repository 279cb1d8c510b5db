#!/bin/bash
# A container that poses as the gateway: by MAC address, IPv4, IPv6, ARP, neighbor discovery, router advertisements, DHCP. From an
# unguarded port all of it reaches its neighbor; from a guarded one nothing does, and each is counted under its name. A flow that the
# kernel carries is no cover. Isolated containers reach the gateway, and not one another.
#
#   c1, c2, c3  eth0 (veth) ---- weftd's bridge, with a gateway
. "$(dirname "$0")/lib.sh"
need tcpdump python3

ns site-a c1 c2 c3

# containers PORT-LINE...: of c1 and c2; c3 is neither guarded nor isolated.
containers() {
    local n
    printf '[[bridge]]\nname = "lan"\ngateway = ["10.0.0.254/24", "fd00::fe/64"]\n'
    for n in 1 2 3; do
        printf '[[port]]\nname = "p%s"\ntype = "veth"\ndevice = "eth0"\nnetns = "%s"\nbridge = "lan"\n' "$n" "$(ns_name "c$n")"
        printf 'address = ["10.0.0.%s/24", "fd00::%s/64"]\n' "$n" "$n"
        ((n == 3)) || printf '%s\n' "$@"
    done
}

gateway() { query site-a ports '.ports[] | select(.kind == "leg") | .mac'; }
flow() { weft site-a flows --limit 1000 --json | jq -r "first(.flows[] | select($1)) | $2"; }
flow_is() { [[ $(flow "$1" "$2") == "$3" ]]; }

# marked FILE WORD: how many frames of the capture have it.
marked() { { grep -a -o "$2" "$1" || true; } | wc -l; }
marked_is() { (($(marked "$1" "$2") == $3)); }

# attack_from_c1: c1 attacks c2, whose device is captured; $work/sent says what was sent, $work/seen.pcap what arrived.
attack_from_c1() {
    capture c2 eth0 "$work/seen.pcap"
    on c1 "$here/spoof.py" attack eth0 10.0.0.1 fd00::1 "$(gateway)" 10.0.0.254 fd00::fe "$(mac_of c2 eth0)" 10.0.0.2 fd00::2 >"$work/sent"
    sent=$(awk '{ n += $2 } END { print n }' "$work/sent")
}

say "a port without a guard: its neighbor sees all of it"
containers | config site-a
start site-a
pings c1 10.0.0.2 5
attack_from_c1
wait_for "all $sent frames arrive" 10 marked_is "$work/seen.pcap" 'SPOOFED!' "$sent"
captured
stop site-a

say "a guarded port: nothing of it, each counted under its name"
containers 'spoof_check = true' | config site-a
start site-a
say "what is honest passes: ARP, ND, duplicate address detection, pings, TCP"
wait_for "duplicate address detection" 10 sh -c "! nsenter --net=/run/netns/$(ns_name c1) ip -6 address show tentative | grep -q inet6"
for peer in 10.0.0.2 10.0.0.3 10.0.0.254 fd00::2 fd00::3 fd00::fe; do pings c1 "$peer" 5; done
pings c3 10.0.0.1 5
pings c2 10.0.0.254 5
reaches c1 10.0.0.2 -s 4000 || fail "a ping in fragments"
reaches c1 fd00::2 -s 4000 || fail "a ping in fragments, IPv6"
tcp c1 c2 10.0.0.2
tcp c2 c1 fd00::1
[[ $(drops site-a spoofed_mac spoofed_ip spoofed_arp spoofed_nd router_advertisement dhcp_server malformed) -eq 0 ]] ||
    fail "something honest was dropped: $(weft site-a drops)"
attack_from_c1
while read -r name count; do
    wait_for "$count times $name" 5 dropped site-a "$name" "$count"
    [[ $(drops site-a "$name") -eq $count ]] || fail "$name: $(drops site-a "$name") instead of $count"
    [[ $(weft site-a drops --json | jq -r --arg name "$name" '[.drops[] | select(.drop == $name) | .name] | unique | join(" ")') == p1 ]] ||
        fail "$name at other ports than p1: $(weft site-a drops)"
done <"$work/sent"
weft site-a drops
pings c1 10.0.0.2 5
captured
marked_is "$work/seen.pcap" 'SPOOFED!' 0 || fail "$(marked "$work/seen.pcap" 'SPOOFED!') frames arrived at c2"
[[ $(on c2 ip -j neighbor show 10.0.0.254 | jq -r '.[0].lladdr') == "$(gateway)" ]] || fail "c2 believes c1 to be the gateway"
! query site-a fdb '.stations[] | .mac' | grep -q 02:66:66 || fail "a spoofed MAC address was learned"

if [[ $(query site-a status .fast_path.mode) == tc ]]; then
    say "under a flow that the kernel carries: the same with another MAC or IP address is dropped"
    spawn c2 "$work/echo.log" "$here/datagrams.py" echo 7777
    wait_for "the echo listens" 10 on c2 sh -c "grep -qi ':1E61 ' /proc/net/udp6"
    on c1 "$here/datagrams.py" call 10.0.0.2 7777 100
    of_c1='.protocol == 17 and .source == "10.0.0.1" and .destination_port == 7777'
    wait_for "the flow is in the kernel" 5 flow_is "$of_c1" .path kernel
    before_mac=$(drops site-a spoofed_mac) before_ip=$(drops site-a spoofed_ip)
    capture c2 eth0 "$work/flow.pcap"
    on c1 "$here/spoof.py" flow eth0 10.0.0.1 "$(gateway)" 10.0.0.254 "$(mac_of c2 eth0)" 10.0.0.2 "$(flow "$of_c1" .source_port)" 7777
    wait_for "the flow's own datagrams" 5 marked_is "$work/flow.pcap" 'HONEST!!' 50
    wait_for "those of another MAC address are counted" 5 dropped site-a spoofed_mac $((before_mac + 50))
    wait_for "those of another IP address are counted" 5 dropped site-a spoofed_ip $((before_ip + 50))
    captured
    marked_is "$work/flow.pcap" 'SPOOFED!' 0 || fail "a carried flow is a cover"
    flow_is "$of_c1" .path kernel || fail "the flow has left the kernel"
else
    say "no fast path here: $(query site-a status .fast_path.why_not)"
fi
stop site-a

say "isolated ports: the gateway and c3, but not one another"
containers 'spoof_check = true' 'isolated = true' | config site-a
start site-a
for n in 1 2; do
    for peer in 10.0.0.254 fd00::fe 10.0.0.3 fd00::3; do pings "c$n" "$peer" 3; done
    pings c3 "10.0.0.$n" 3
done
capture c2 eth0 "$work/isolated.pcap"
! reaches c1 10.0.0.2 || fail "c1 reaches c2"
on c1 ip neighbor replace 10.0.0.2 lladdr "$(mac_of c2 eth0)" dev eth0
! reaches c1 10.0.0.2 || fail "c1 reaches c2, whose MAC address it knows"
wait_for "it is counted" 5 dropped site-a isolated 1
on c1 ip neighbor replace 10.0.0.2 lladdr "$(gateway)" dev eth0
! reaches c1 10.0.0.2 || fail "c1 reaches c2 by way of the gateway"
wait_for "that is counted, too" 5 dropped site-a isolated 2
captured
from_c1=$(tcpdump -n -r "$work/isolated.pcap" ether src "$(mac_of c1 eth0)" or src host 10.0.0.1 2>/dev/null | wc -l)
((from_c1 == 0)) || fail "$from_c1 frames of c1 arrived at c2"
stop site-a
