#!/bin/bash
# A port's emulated link ([port.impair]): its delay and losses as a ping sees them, its rate as iperf3 does, for TAP, TUN, veth and
# packet ports; changed while weftd runs; shown; and past a planned restart. bench/link_accuracy measures it more closely.
#
#   host-a  lan0 (TAP)     \
#   host-b  lan0 (veth)     +-- weftd's bridge, with a gateway
#   host-d  eth0 --- eth1  /    (packet)
#   host-c  weft0 (TUN) ------- weftd's router
. "$(dirname "$0")/lib.sh"
need iperf3 python3

[[ ${WEFT_WORKERS-1} == 1 ]] || skip "an impaired port is for one worker"

ns site-a host-a host-b host-c host-d
link site-a eth1 host-d eth0
address host-d eth0 10.0.0.14/24

# port_with NAME TYPE ADDRESS: what is on stdin is its impairment.
port_with() {
    cat <<END

[[port]]
name = "$1"
type = "$2"
device = "$([[ $2 == tun ]] && echo weft0 || echo lan0)"
netns = "$(ns_name "host-$1")"
address = ["$3"]
END
    [[ $2 == tun ]] || echo 'bridge = "lan"'
    cat
}

# configured: the impairments are in $a, $b, $c and $d.
configured() {
    {
        echo '[[bridge]]
name = "lan"
gateway = ["10.0.0.1/24"]'
        port_with a tap 10.0.0.11/24 <<<"$a"
        port_with b veth 10.0.0.12/24 <<<"$b"
        port_with c tun 10.1.0.1/24 <<<"$c"
        cat <<END

[[port]]
name = "d"
type = "packet"
device = "eth1"
bridge = "lan"
$d
END
    } | config site-a
}

# rtt NAME ADDRESS: the median of 40 pings, in microseconds.
rtt() {
    on "$1" ping -n -c 40 -i 0.02 -W 2 "$2" | sed -n 's/.*time=\([0-9.]*\) ms.*/\1/p' | sort -n | awk '{ t[NR] = $1 } END { print int(t[int((NR + 1) / 2)] * 1000) }'
}

# takes NAME ADDRESS MILLISECONDS: as long, and at most 3 ms longer: others work on this machine, too.
takes() {
    local measured
    measured=$(rtt "$1" "$2")
    echo "ping $1 -> $2: $measured us, configured $3 ms"
    ((measured >= $3 * 1000 && measured <= $3 * 1000 + 3000)) || fail "ping $1 -> $2 takes $measured us, not $3 ms"
}

apply() {
    configured
    weft site-a apply "$work/site-a.toml"
}

# received NAME ADDRESS COUNT: how many pings of so many are answered.
received() { on "$1" ping -n -q -c "$3" -i 0.002 -W 1 "$2" | sed -n 's/.* \([0-9]*\) received.*/\1/p'; }

a='[port.impair]
delay = "10ms"
[port.impair.out]
delay = "5ms"'
b='' c='' d=''
configured
start site-a
for host in a b c d; do wait_for "host-$host is there" 10 reaches host-d 10.0.0.1; done
for host in a b d; do on "host-$host" ip route add 10.1.0.0/24 via 10.0.0.1; done
on host-c ping -n -q -c 2 10.0.0.12 >/dev/null || true

say "a delay each way, and none where none is configured"
takes host-b 10.0.0.11 15
takes host-c 10.0.0.12 0
weft site-a ports
[[ $(query site-a ports '[.ports[] | select(.impair != null) | .port] | join(" ")') == a ]] || fail "another port is impaired"
[[ $(query site-a ports '.ports[] | select(.port == "a") | .impair.in.settings.delay') == 10ms ]] || fail "it does not say its delay"

say "established flows stay on the link"
takes host-b 10.0.0.11 15
pings host-b 10.0.0.11 100
takes host-b 10.0.0.11 15

say "changed while weftd runs, on each type of port, with the device as it was"
index=$(on host-b ip -j link show lan0 | jq '.[0].ifindex')
a=''
b='impair = { delay = "20ms" }'
c='impair = { delay = "3ms" }'
d='impair = { delay = "7ms" }'
apply
takes host-b 10.0.0.11 40
takes host-c 10.0.0.11 6
takes host-d 10.0.0.11 14
takes host-d 10.0.0.1 14
[[ $(on host-b ip -j link show lan0 | jq '.[0].ifindex') == "$index" ]] || fail "the device of port b was made anew"

say "losses are counted, as the port's drops as well"
b='impair = { loss = "every 10" }'
c='' d=''
apply
got=$(received host-d 10.0.0.12 500)
echo "answered: $got of 500"
((got >= 395 && got <= 415)) || fail "of 500 pings, each of which passes a loss of 10 % twice, $got were answered"
lost=$(query site-a ports '.ports[] | select(.port == "b") | .impair | .in.lost_packets + .out.lost_packets')
((lost >= 85)) || fail "the link has lost $lost packets"
[[ $(drops site-a impaired) -ge $lost ]] || fail "the drops are $(drops site-a impaired), the link's losses $lost"

say "a link that is down, one way only"
b='[port.impair]
[port.impair.out]
up = false'
apply
if reaches host-d 10.0.0.12; then fail "a link that is down was passed"; fi
cut=$(query site-a ports '.ports[] | select(.port == "b") | .impair.out.cut_packets')
((cut >= 1)) || fail "nothing was cut"

say "a rate, with TCP through its queue"
b='[port.impair]
rate = "50mbit"
delay = "5ms"
queue = "100 packets"'
apply
spawn host-b "$work/server.log" iperf3 --server --one-off --forceflush
wait_for "iperf3 listens" 10 grep -q listening "$work/server.log"
on host-a iperf3 --client 10.0.0.12 --time 4 --omit 1 --json >"$work/iperf.json"
rate=$(jq '.end.sum_received.bits_per_second / 1e6 | floor' "$work/iperf.json")
echo "TCP over 50 Mbit/s: $rate Mbit/s"
((rate >= 44 && rate <= 49)) || fail "TCP got $rate Mbit/s over a link of 50"
weft site-a ports --json | jq -c '.ports[] | select(.port == "b") | .impair.out | del(.settings)'

say "what is wrong is told, and changes nothing"
b='impair = { delay = "5", los = "1%" }'
configured
if weft site-a apply "$work/site-a.toml" 2>"$work/wrong"; then fail "a wrong impairment was taken"; fi
cat "$work/wrong"
grep -q "is not a duration" "$work/wrong" || fail "it does not say what is wrong"
grep -q "did you mean 'loss'" "$work/wrong" || fail "it does not say what was meant"

say "without the table the link is gone"
b=''
apply
wait_for "no delay any more" 5 reaches host-a 10.0.0.12
takes host-a 10.0.0.12 0
[[ $(query site-a ports '[.ports[] | select(.impair != null)] | length') == 0 ]] || fail "a port is still impaired"

say "the devices and their links outlive a planned restart"
b='impair = { delay = "8ms" }'
apply
takes host-a 10.0.0.12 16
pid_of_a() { query site-a status .pid; }
before=$(pid_of_a)
is_another() { [[ $(pid_of_a) != "$before" ]]; }
weft site-a upgrade
wait_for "another weftd answers" 20 is_another
takes host-a 10.0.0.12 16
[[ $(on host-b ip -j link show lan0 | jq '.[0].ifindex') == "$index" ]] || fail "the device of port b was made anew"
unset "daemon[site-a]"
successor=$(pid_of_a)
kill -TERM "$successor"
wait_for "weftd ends" 10 gone "$successor"
