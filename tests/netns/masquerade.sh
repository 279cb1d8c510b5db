#!/bin/bash
# A bridge with masquerade = true: its hosts reach what the host reaches, by the host's own addresses, and what the host
# forwards to them (DNAT, as container engines publish ports) reaches them. Nothing else in the host's rules is touched, and
# however weftd ends, nothing of its own is left in them.
#
#   c1 10.10.0.11, fd00:10::11 --.                                     203.0.113.2            203.0.113.1
#   c2 10.10.0.12, fd00:10::12 ---- bridge "lan" -- router -- weft-out -- (site-a) -- eth0 ----- outside, 198.51.100.9 behind it
#   c3 10.30.0.11 -- bridge "inner", not masqueraded --'
#
# outside has no route to the bridges' networks: it can only answer the host.
. "$(dirname "$0")/lib.sh"
need nft tcpdump

ns site-a outside c1 c2 c3
on site-a nft list ruleset >"$work/nothing" 2>/dev/null || skip "no nf_tables here (modprobe nf_tables)"
link site-a eth0 outside eth0
address site-a eth0 203.0.113.2/24 2001:db8:f::2/64
address outside eth0 203.0.113.1/24 2001:db8:f::1/64
address outside lo 198.51.100.9/32 2001:db8:9::9/128
on site-a ip route add default via 203.0.113.1
on site-a ip -6 route add default via 2001:db8:f::1
sysctl_in site-a net/ipv4/ip_forward 0
sysctl_in site-a net/ipv6/conf/all/forwarding 0
sysctl_in site-a net/ipv6/conf/eth0/accept_ra 1

# What others have in the host's rules: a filter, and a table of the name that weft's would have for another node.
on site-a nft -f - <<'END'
table inet filter {
    set banned { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 } }
    chain forward { type filter hook forward priority filter; policy accept; ip saddr @banned counter drop; }
}
table inet weft_site-b { }
END
others() { on site-a nft list ruleset | sed '/^table inet weft_site-a/,/^}/d'; }
others >"$work/others-before"
own_table() { on site-a nft list table inet weft_site-a 2>/dev/null; }
no_table() { ! own_table; }

container() {
    cat <<END
[[port]]
name = "$1"
type = "tap"
device = "eth0"
netns = "$(ns_name "$1")"
bridge = "$2"
address = [$3]

END
}
bridges() {
    cat <<END
[[bridge]]
name = "lan"
gateway = ["10.10.0.1/24", "fd00:10::1/64"]
masquerade = true

[[bridge]]
name = "inner"
gateway = ["10.30.0.1/24"]

END
    container c1 lan '"10.10.0.11/24", "fd00:10::11/64"'
    container c2 lan '"10.10.0.12/24", "fd00:10::12/64"'
    container c3 inner '"10.30.0.11/24"'
}
default_routes() {
    local one
    for one in c1 c2; do
        on "$one" ip route add default via 10.10.0.1
        on "$one" ip -6 route add default via fd00:10::1
    done
    on c3 ip route add default via 10.30.0.1
}
bridges | config site-a

say "what masquerade = true implies is told without starting anything"
"$WEFT_BIN/weft" check "$work/site-a.toml" | tee "$work/check.txt"
grep -q 'implied by masquerade: add port weft-out (tun)' "$work/check.txt" || fail "the port is not told of"
grep -q 'route 0.0.0.0/0 to port weft-out' "$work/check.txt" || fail "the route is not told of"
grep -q 'route ::/0 to port weft-out' "$work/check.txt" || fail "the IPv6 route is not told of"
no_table || fail "a check has installed a table"

say "containers reach the outside, and what is behind it, over IPv4 and IPv6"
start site-a
default_routes
own_table
capture outside eth0 "$work/outside.pcap"
wait_for "the outside" 10 reaches c1 203.0.113.1
wait_for "the outside over IPv6" 10 reaches c1 2001:db8:f::1
for to in 203.0.113.1 198.51.100.9 2001:db8:f::1 2001:db8:9::9; do pings c1 "$to"; done
pings c2 198.51.100.9 5
tcp c1 outside 198.51.100.9
tcp c2 outside 2001:db8:9::9
captured
seen() { tcpdump -n -r "$work/outside.pcap" "$1" 2>/dev/null | wc -l; }
(($(seen "src host 203.0.113.2") > 100 && $(seen "src host 2001:db8:f::2") > 100)) || fail "the host's addresses are not seen outside"
(($(seen "net 10.10.0.0/24 or net fd00:10::/64") == 0)) || fail "a container's own address is seen outside"

say "the host reaches the containers, and they it"
pings site-a 10.10.0.11 5
pings site-a fd00:10::12 5
pings c1 203.0.113.2 5
pings c2 2001:db8:f::2 5
tcp site-a c2 10.10.0.12
tcp c1 site-a 203.0.113.2

say "between bridges nothing is masqueraded; what is not to be is not"
spawn c3 "$work/c3.txt" tcpdump --immediate-mode -l -n -i eth0 icmp
wait_for "tcpdump listens" 10 grep -q listening "$work/c3.txt"
pings c1 10.30.0.11 5
wait_for "the container's own address" 5 grep -q '10.10.0.11 > 10.30.0.11' "$work/c3.txt"
reaches c3 203.0.113.1 >/dev/null && fail "a bridge without masquerade has been answered from outside"

say "the host forwards by now, and still listens to its routers"
for key in ipv4/ip_forward:1 ipv6/conf/all/forwarding:1 ipv6/conf/eth0/accept_ra:2; do
    [[ $(on site-a cat "/proc/sys/net/${key%:*}") == "${key#*:}" ]] || fail "$key is not so"
done
weft site-a status --json | jq -e '.warnings | map(select(test("forward"))) == []' >/dev/null || fail "warned of forwarding that works"

# published CLIENT ADDRESS PORT SERVER PORT: a connection there ends at the server.
published() {
    spawn "$4" "$work/published.log" "$here/traffic.py" echo "$5"
    wait_for "$4 listens" 10 on "$4" sh -c "grep -qi ':$(printf %04x "$5") .* 0A ' /proc/net/tcp6"
    on "$1" timeout 60 "$here/traffic.py" call "$2" "$3" 2000000 || fail "$1 -> $2:$3, which is $4:$5"
}

say "inbound: ports of the host that are published, as CNI's portmap does it"
on site-a nft -f - <<'END'
table ip published {
    chain ports { tcp dport 8080 dnat to 10.10.0.12:80; }
    chain prerouting { type nat hook prerouting priority dstnat; fib daddr type local jump ports; }
    chain output { type nat hook output priority -100; fib daddr type local jump ports; }
    chain postrouting { type nat hook postrouting priority srcnat; ct status dnat ip saddr { 10.10.0.0/24, 127.0.0.1 } masquerade; }
}
table ip6 published {
    chain prerouting { type nat hook prerouting priority dstnat; fib daddr type local tcp dport 8080 dnat to [fd00:10::12]:80; }
}
END
sysctl_in site-a net/ipv4/conf/weft-out/route_localnet 1
published outside 203.0.113.2 8080 c2 80
published outside 2001:db8:f::2 8080 c2 80
published site-a 203.0.113.2 8080 c2 80
published site-a 127.0.0.1 8080 c2 80
published c1 203.0.113.2 8080 c2 80
on site-a nft delete table ip published
on site-a nft delete table ip6 published

say "while it runs: another bridge is masqueraded, and is not any more"
cp "$work/site-a.toml" "$work/before.toml"
sed -i 's/^gateway = \["10.30.0.1.*/&\nmasquerade = true/' "$work/site-a.toml"
weft site-a apply "$work/site-a.toml" || fail "the change is refused"
own_table | grep -q '10.30.0.0/24' || fail "the table is as it was"
on c3 ip route replace default via 10.30.0.1
wait_for "the outside from the other bridge" 10 reaches c3 198.51.100.9
cp "$work/before.toml" "$work/site-a.toml"
weft site-a apply "$work/site-a.toml" || fail "the change back is refused"
own_table | grep -q '10.30.0.0/24' && fail "the other bridge is still masqueraded"
reaches c3 198.51.100.9 && fail "the other bridge is answered from outside"
on c3 ip route replace default via 10.30.0.1
pings c1 198.51.100.9 5

say "others' rules are as they were, and a reload of them does not take weft's away"
diff "$work/others-before" <(others | sed 's/packets [0-9]* bytes [0-9]*/packets 0 bytes 0/') || fail "others' tables have changed"
on site-a nft list ruleset >"$work/all.nft"
on site-a nft flush ruleset
own_table >/dev/null || fail "nft flush ruleset has removed the table"
pings c1 198.51.100.9 5
on site-a nft delete table inet weft_site-a 2>/dev/null && fail "the table could be removed by others"
on site-a nft -f - <"$work/others-before"

say "SIGTERM: the table and the TUN are gone, others' tables are there"
stop site-a
no_table || fail "the table is still there"
on site-a ip link show weft-out 2>/dev/null && fail "weft-out is still there"
diff "$work/others-before" <(others) || fail "others' tables have changed"

say "kill -9: the same"
start site-a
default_routes
wait_for "the outside" 10 reaches c1 198.51.100.9
crash site-a
wait_for "the table disappears" 5 no_table
diff "$work/others-before" <(others) || fail "others' tables have changed"

say "a tun port of the node's own namespace is used as it is, and so is a default route that is written down"
{
    bridges
    cat <<END
[[port]]
name = "host0"
type = "tun"
address = ["10.99.0.1/30", "fd00:99::1/64"]

[[route]]
to = "0.0.0.0/0"
port = "host0"
END
} | config site-a
"$WEFT_BIN/weft" check "$work/site-a.toml" | tee "$work/check.txt"
grep -q weft-out "$work/check.txt" && fail "weft-out is implied though there is host0"
start site-a
default_routes
on site-a ip link show weft-out 2>/dev/null && fail "there is a weft-out beside host0"
wait_for "the outside by host0" 10 reaches c1 198.51.100.9
wait_for "the outside by host0 over IPv6" 10 reaches c1 2001:db8:9::9
stop site-a

say "where /proc/sys cannot be written, as under a service manager, weftd says what is to be done"
sysctl_in site-a net/ipv4/ip_forward 0
bridges | config site-a
read_only='mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys'
on site-a unshare -m sh -c "$read_only" 2>/dev/null || skip "the last part needs mount namespaces"
spawn site-a "$work/site-a.log" unshare -m sh -c "$read_only && exec '$WEFT_BIN/weftd' --config '$work/site-a.toml'"
daemon[site-a]=$last_spawned
wait_for "site-a answers" 20 answers_or_died site-a
weft site-a status | tee "$work/status.txt"
grep -q 'does not forward IPv4.*sysctl -w net.ipv4.ip_forward=1' "$work/status.txt" || fail "no warning"
grep -q 'does not forward IPv6' "$work/status.txt" && fail "a warning though IPv6 is forwarded"
stop site-a
no_table || fail "the table is still there"
