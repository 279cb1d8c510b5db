#!/bin/bash
# A site changes its address, and the NAT in front of it its mapping, again and again while pings run both ways: at most two
# echoes are lost a change. One who is not on the path, but knows everything that was ever sent, moves nothing.
#
# WEFT_CHANGES   how many (20); 100 are a minute
. "$(dirname "$0")/lib.sh"
need tcpdump nft python3
changes=${WEFT_CHANGES-20}

underlay
like_a_wire site-a site-b
ns eve
link eve eth0 router to-e
address eve eth0 192.0.2.66/24
address router to-e 192.0.2.1/24
on eve ip route add default via 192.0.2.1
for setting in all/rp_filter default/rp_filter to-a/rp_filter to-b/rp_filter to-e/rp_filter; do
    sysctl_in router "net/ipv4/conf/$setting" 0
done
sysctl_in site-a net/ipv4/conf/all/promote_secondaries 1
for host in {101..109}; do address router to-b "203.0.113.$host/32"; done

# nat NUMBER: what comes from site-a gets the NUMBER-th address, and a port by chance. Mappings that exist stay.
nat() {
    on router nft -f - <<END
table ip nat
delete table ip nat
table ip nat {
    chain out {
        type nat hook postrouting priority srcnat
        oifname "to-b" ip saddr 198.51.100.0/24 udp sport 4500 snat to 203.0.113.$((101 + $1 % 9)):20000-29999 random
    }
}
END
}
nat 0 || skip "the kernel has no NAT (nf_tables)"
on router "$here/roam.py" flush || skip "the kernel's NAT cannot be told to forget (ctnetlink)"

key site-a site-b
{ ports a 1; peer site-b 2 'endpoint = "203.0.113.2:4500"'; } | config site-a
{ ports b 2; peer site-a 1; } | config site-b
capture router to-b "$work/to-b.pcap" udp port 4500
capture_b=$capture_pid
capture router to-a "$work/to-a.pcap" udp port 4500
start site-a site-b
wait_for "the first ping" 15 reaches host-a 10.10.0.12
for site in site-a site-b; do
    spawn "$site" "$work/$site.events" "$WEFT_BIN/weft" --control "$work/$site.sock" --json monitor
    wait_for "$site is watched" 10 grep -q watching "$work/$site.events"
done
pings host-a 10.10.0.12
captured
kill -INT "$capture_b"
wait_for "tcpdump ends" 10 gone "$capture_b"

endpoint() { query "$1" peers '.peers[0].endpoint'; }
moves() { grep -c endpoint_moved "$work/$1.events" || true; }

say "a forger who knows the addresses, the ports, the SPIs and all that was ever sent"
a=$(endpoint site-b)
b=$(endpoint site-a)
[[ $a == 203.0.113.101:2* && $b == 203.0.113.2:4500 ]] || fail "site-b sees site-a at $a, site-a sees site-b at $b"
spawn eve "$work/forged.log" "$here/roam.py" forge 3 192.0.2.66 "$work/to-b.pcap" 203.0.113.2 "$work/to-a.pcap" 198.51.100.2
forger=$last_spawned
while ! gone "$forger"; do
    [[ $(endpoint site-b) == "$a" && $(endpoint site-a) == "$b" ]] || fail "an endpoint moved to $(endpoint site-b) or $(endpoint site-a)"
    reaches host-a 10.10.0.12 >/dev/null || fail "a ping is lost while the forger is at work"
done
forged=$(tail -n 1 "$work/forged.log")
[[ $forged =~ ^[0-9]+$ ]] || fail "the forger failed"
((forged >= 1000)) || fail "only $forged datagrams were forged"
sleep 1.1 # what is held back is told by then
(($(moves site-a) == 0 && $(moves site-b) == 0)) || fail "an endpoint moved"
echo "$forged forged datagrams: the endpoints stay, $(drops site-a bad_icv replayed too_old) and $(drops site-b bad_icv replayed too_old) of them counted as forged or replayed"

say "$changes changes, in turn of the address and of the NAT's mapping, while pings run both ways"
spawn host-a "$work/a-b.ping" ping -n -D -i 0.01 10.10.0.12
ping_a=$last_spawned
spawn host-b "$work/b-a.ping" ping -n -D -i 0.01 10.10.0.11
ping_b=$last_spawned
sleep 0.5
host=2
started=$(now_ms)
for ((change = 1; change <= changes; ++change)); do
    if ((change % 2)); then
        next=$((host == 2 ? 3 : 2))
        printf 'address add 198.51.100.%d/24 dev eth0\naddress del 198.51.100.%d/24 dev eth0\n' $next $host >"$work/change"
        host=$next
        echo "$EPOCHREALTIME" >>"$work/changes"
        on site-a ip -batch "$work/change"
        [[ $(on site-a ip route show default) == *198.51.100.1* ]] || fail "site-a has lost its route"
    else
        nat "$((change / 2))"
        echo "$EPOCHREALTIME" >>"$work/changes"
        on router "$here/roam.py" flush
    fi
    left=$((started + change * 600 - $(now_ms)))
    ((left <= 0)) || sleep "0.$(printf %03d $left)"
done
took=$(($(now_ms) - started))
sleep 0.3
kill -INT "$ping_a" "$ping_b"
wait_for "the pings end" 10 gone "$ping_a"
wait_for "the pings end" 10 gone "$ping_b"
for way in a-b b-a; do
    "$here/roam.py" losses "$work/$way.ping" "$work/changes" "$work/a-b.ping" >"$work/$way.losses" || fail "$way: $(cat "$work/$way.losses")"
    head -n 1 "$work/$way.losses"
    read -r most total count excess < <(tail -n 1 "$work/$way.losses")
    echo "$way: $total lost in $count changes within $((took / 1000)) s, at most $most a change"
    ((excess == 0)) || fail "$way: $most echoes were lost in one change, $excess too many"
done

[[ $(endpoint site-a) == "$b" ]] || fail "site-a sees site-b at $(endpoint site-a)"
[[ $(endpoint site-b) == "203.0.113.$((101 + changes / 2 % 9)):2"* ]] || fail "site-b sees site-a at $(endpoint site-b)"
told=$(moves site-b)
((told >= changes / 3 && told <= changes + 1)) || fail "site-b told $told moves"
(($(moves site-a) == 0)) || fail "site-a told that site-b moved"
