#!/bin/bash
# Three sites in a full mesh: any host reaches any other over L2 and L3, IPv4 and IPv6; a DHCP lease crosses the overlay; UDP
# below the saturation point loses nothing.
#
# WEFT_FRAMES  frames per direction of the UDP run (default 20000; 1000000 for the record)
# WEFT_RATE    their rate in Mbit/s (default 40)
. "$(dirname "$0")/lib.sh"
need iperf3 dnsmasq busybox

frames=${WEFT_FRAMES-20000}
rate=${WEFT_RATE-40}
letters=(a b c)

# One router with three networks: 198.51.100.N.
ns router
for i in 1 2 3; do
    letter=${letters[i - 1]}
    ns "host-$letter" "site-$letter"
    link "site-$letter" eth0 router "to-$letter"
    address "site-$letter" eth0 "198.51.$i.2/24"
    address router "to-$letter" "198.51.$i.1/24"
    on "site-$letter" ip route add default via "198.51.$i.1"
done
sysctl_in router net/ipv4/ip_forward 1
key site-a site-b site-c

# Of each pair only the site that comes first knows where the other is.
for i in 1 2 3; do
    letter=${letters[i - 1]}
    {
        ports "$letter" "$i"
        for j in 1 2 3; do
            ((i != j)) || continue
            endpoint=
            ((i > j)) || endpoint="endpoint = \"198.51.$j.2:4500\""
            peer "site-${letters[j - 1]}" "$j" "$endpoint" 'keepalive = "5s"'
        done
    } | config "site-$letter"
done
start site-a site-b site-c

say "every host reaches every other, four ways"
for i in 1 2 3; do
    for j in 1 2 3; do
        ((i != j)) || continue
        for to in "10.10.0.1$j" "10.20.$j.1" "fd00:10::1$j" "fd00:20:$j::1"; do
            wait_for "host-${letters[i - 1]} -> $to" 20 reaches "host-${letters[i - 1]}" "$to"
            pings "host-${letters[i - 1]}" "$to" 10
        done
    done
done

say "split horizon: a broadcast arrives once at each other host"
capture host-c lan0 "$work/broadcast.pcap" 'arp and arp[24:4] = 0x0a0a00c8'
on host-a ping -n -q -c 1 -W 0.3 10.10.0.200 >/dev/null || true
asked() { (($(tcpdump -n -r "$work/broadcast.pcap" 2>/dev/null | wc -l) >= 1)); }
wait_for "the question at host-c" 5 asked
captured
on host-a ip neighbor flush dev lan0
requests=$(tcpdump -n -r "$work/broadcast.pcap" 2>/dev/null | wc -l)
sent=1  # ping gives up after 0.3 s, before ARP asks again
((requests == sent)) || fail "host-c saw $requests copies of one broadcast"

say "a DHCP lease across the overlay: dnsmasq at site A, udhcpc at site C"
spawn host-a "$work/dnsmasq.log" dnsmasq --keep-in-foreground --log-facility=- --log-dhcp --port=0 --interface=lan0 \
    --bind-interfaces --no-ping --dhcp-range=10.10.0.100,10.10.0.150,255.255.255.0,1h --dhcp-leasefile="$work/leases" \
    --dhcp-option=3 --pid-file="$work/dnsmasq.pid" --user=root --conf-file=/dev/null
wait_for "dnsmasq" 10 grep -q 'DHCP, IP range' "$work/dnsmasq.log"
cat >"$work/lease.sh" <<'END'
#!/bin/sh
[ "$1" = bound ] && ip address add "$ip/${mask:-24}" dev "$interface"
exit 0
END
chmod 700 "$work/lease.sh"
on host-c timeout 30 busybox udhcpc -f -q -n -t 10 -T 1 -i lan0 -s "$work/lease.sh" || fail "no lease: $(cat "$work/dnsmasq.log")"
leased=$(awk 'NR == 1 { print $3 }' "$work/leases")
mac_c=$(mac_of host-c lan0)
grep -q "$mac_c" "$work/leases" || fail "the lease is not host-c's: $(cat "$work/leases")"
echo "leased $leased"
wait_for "the leased address answers" 5 reaches host-b "$leased"

say "UDP below saturation: $frames frames each way at $rate Mbit/s"
no_loss() { # FROM TO ADDRESS [IPERF-OPTION...]
    local from=$1 to=$2 address=$3 result lost received
    shift 3
    spawn "$to" "$work/iperf-server.log" iperf3 --server --one-off --forceflush
    wait_for "iperf3 listens" 10 grep -q listening "$work/iperf-server.log"
    result=$(on "$from" timeout 600 iperf3 --client "$address" --udp --length 1000 --bitrate "${rate}M" --window 200K \
        --blockcount "$frames" --json "$@") || fail "iperf3 $from -> $to: $(jq -r '.error? // .' <<<"$result" | tail -3)"
    lost=$(jq '.end.sum.lost_packets' <<<"$result")
    received=$(jq '.end.sum.packets' <<<"$result")
    echo "$from -> $to ($address $*): $received frames, $lost lost, $(jq '.end.sum.bits_per_second / 1e6 | floor' <<<"$result") Mbit/s"
    ((received >= frames && lost == 0)) && return
    # weft counts what it drops. What it does not count was lost before it read it (a TAP's or a socket's queue in the kernel) or
    # after it wrote it (iperf3's own socket).
    echo "iperf3's sockets: $(on "$from" awk '/^Udp:/' /proc/net/snmp) $(on "$to" awk '/^Udp:/' /proc/net/snmp)"
    on "$from" ip -s link show lan0
    on "$to" ip -s link show lan0
    fail "$lost of $received frames were lost; weft counts: $(weft site-a drops; weft site-b drops)"
}
no_loss host-a host-b 10.10.0.12
no_loss host-a host-b 10.10.0.12 --reverse
no_loss host-b host-c 10.20.3.1
no_loss host-b host-c 10.20.3.1 --reverse

say "all peers"
for letter in "${letters[@]}"; do weft "site-$letter" peers; done
