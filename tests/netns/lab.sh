#!/bin/bash
# A lab from its file to its end: nodes that reach each other by name, live changes that are seen by ping, events at their
# times, several labs at a time, errors with their cure; and nothing of it outside, neither during nor after.
. "$(dirname "$0")/lib.sh"
. "$here/lab_lib.sh"

cat >"$work/small.toml" <<'END'
[lab]
name = "small"
[[host]]
name = "a"
run = ["echo begun > $WEFT_NODE.begun", "ls /sys/class/net > $WEFT_NODE.interfaces"]
[[host]]
name = "b"
sysctl = { "net.ipv4.ip_forward" = 1 }
[[switch]]
name = "s"
[[link]]
name = "left"
ends = ["a", "s"]
[[link]]
name = "right"
ends = ["b", "s"]
[[event]]
at = "1h"
link = "right"
direction = "back"
up = false
[[event]]
at = "2h"
link = "right"
up = true
END
cat >"$work/other.toml" <<'END'
[[host]]
name = "a"
[[host]]
name = "b"
[[link]]
name = "cable"
ends = ["a", "b"]
END
cat >"$work/down.toml" <<'END'
[[host]]
name = "a"
[[host]]
name = "b"
[[link]]
name = "cable"
ends = ["a", "b"]
impair = { up = false }
[[link]]
name = "late"
ends = ["a", "b"]
impair = { schedule = [{ at = "3s", up = false }, { at = "5s", up = true }] }
[[link]]
name = "fibre"
ends = ["a", "b"]
there = { up = false }
END
cat >"$work/timed.toml" <<'END'
[lab]
name = "timed"
[[host]]
name = "a"
[[host]]
name = "b"
[[link]]
name = "cable"
ends = ["a", "b"]
[[event]]
at = "1s"
link = "cable"
direction = "there"
up = false
[[event]]
at = "3s"
link = "cable"
up = true
END

say "up"
lab up "$work/small.toml" | tee "$work/said"
grep -q "lab small is up: 3 nodes, 2 links" "$work/said" || fail "up says something else"
! ip netns list | grep -qvE '^weft-' || fail "a namespace is seen outside"
[[ $(own_interfaces) == "$interfaces_before" ]] || fail "an interface is seen outside"

say "exec: by name, with the folder, the environment, standard input and the exit status of the caller"
lab exec a ping -n -q -c 3 -i 0.05 -W 2 b | grep -q " 3 received, 0% packet loss" || fail "a does not reach b"
# shellcheck disable=SC2016
[[ $(cd "$work" && X=y lab exec a sh -c 'echo $X $PWD $WEFT_NODE $(id -u)') == "y $work a 0" ]] || fail "the environment is another"
[[ $(echo through | lab exec b cat) == through ]] || fail "standard input is not the caller's"
status=0; lab exec a sh -c 'exit 7' || status=$?
[[ $status -eq 7 ]] || fail "exit status $status, not 7"
status=0; lab exec a sh -c 'kill -TERM $$' || status=$?
[[ $status -eq 143 ]] || fail "exit status $status, not 143"
status=0; lab exec a no-such-program 2>/dev/null || status=$?
[[ $status -eq 127 ]] || fail "exit status $status, not 127"
[[ $(lab exec b cat /proc/sys/net/ipv4/ip_forward) == 1 ]] || fail "the sysctl is not set"
[[ $(lab exec a cat /proc/1/comm) == weft-lab-runner ]] || fail "the lab has no processes of its own"
wait_for "the host's command has run" 5 test -s "$work/a.begun"
status=0; said=$(lab exec s true 2>&1) || status=$?
[[ $status -eq 1 && $said == *"s is a switch: programs run in hosts and sites alone"* ]] || fail "exec in a switch: $said"

say "/sys is the node's, and all else that is mounted is the lab's"
check_sys a eth0 lo
[[ $(lab exec a cat /sys/class/net/eth0/mtu) == 1500 ]] || fail "/sys does not tell of eth0"
wait_for "the host's command has run" 5 test -s "$work/a.interfaces"
[[ $(xargs <"$work/a.interfaces") == "eth0 lo" ]] || fail "the host's command sees in /sys: $(xargs <"$work/a.interfaces")"
for mounted in $(findmnt -n -l -o TARGET | grep '^/sys/'); do
    lab exec a mountpoint -q "$mounted" || fail "$mounted is not there in the node"
done
lab exec a mount -t tmpfs none /mnt
lab exec b mountpoint -q /mnt || fail "what one program mounts the other does not see"
! findmnt -n /mnt | grep -q tmpfs || fail "what a node mounts is seen outside"
lab exec b umount /mnt
lab exec a ip netns add further
lab exec b ip netns exec further true || fail "a namespace that a node makes is not seen by the other"

say "set: seen by the next ping"
lab set left delay=40ms --direction there
rtt() { lab exec a ping -n -q -c 4 -i 0.1 -W 2 b | awk -F/ '/^rtt/ { print int($5) }'; }
lab exec a ping -n -q -c 1 -W 2 b >/dev/null
took=$(rtt)
((took >= 40 && took < 50)) || fail "40 ms in one direction: ping says $took ms"
lab set right delay=20ms
took=$(rtt)
((took >= 80 && took < 95)) || fail "40 ms there and 20 ms twice: ping says $took ms"
lab status | grep -q "delay 40ms" || fail "status does not say so"
lab set b up=false
! lab exec a ping -n -q -c 1 -W 1 b >/dev/null || fail "b is down and answers"
lab set b up=true delay=0ms
lab exec a ping -n -q -c 1 -W 2 b >/dev/null || fail "b is up and does not answer"
said=$(lab set left dely=3ms 2>&1) && fail "a key that there is not"
echo "$said"
[[ $said == *delay* ]] || fail "no cure for a key that there is not: $said"
said=$(lab set nobody delay=3ms 2>&1) && fail "a link that there is not"
[[ $said == *"no link and no node 'nobody'"*left* ]] || fail "no cure for a link that there is not: $said"

say "a link that is cut takes its carrier away at both ends; a direction alone does not"
carrier() { lab exec "$1" ip -o link show eth0 | grep -q "$2"; }
# cut_and_restored WHAT STATE TARGET: a has lost its carrier and b is in this state, until TARGET is up again.
cut_and_restored() {
    wait_for "a sees no carrier" 5 carrier a NO-CARRIER
    lab exec a ip -o link show eth0 | grep -q "state DOWN" || fail "its operational state is not DOWN"
    wait_for "b $1" 5 carrier b "$2"
    lab set "$3" up=true
    wait_for "a has its carrier back" 5 carrier a "LOWER_UP.*state U"
    wait_for "b has its carrier back" 5 carrier b "LOWER_UP.*state U"
    wait_for "a reaches b again" 5 lab exec a ping -n -q -c 1 -W 1 b
}
carrier a "LOWER_UP" || fail "no carrier before"
lab exec a ping -n -q -i 0.002 -c 1500 -W 1 b >/dev/null &  # packets are under way when it is cut
lab set left up=false
cut_and_restored "keeps its own, which is at another link" LOWER_UP left
wait "$!" || true
lab set s up=false
cut_and_restored "has lost it with the switch" NO-CARRIER s
lab set left up=false --direction back
! lab exec a ping -n -q -c 1 -W 1 b >/dev/null || fail "a direction is cut and answers come"
carrier a LOWER_UP || fail "one direction was cut, and a has no carrier"
lab set left up=true
wait_for "a reaches b again" 5 lab exec a ping -n -q -c 1 -W 1 b

say "events, by hand"
lab event | grep -q "link right back: down" || fail "the list of events is another"
lab event 1 >/dev/null
! lab exec a ping -n -q -c 1 -W 1 b >/dev/null || fail "the link is cut in one direction and carries a ping"
lab event 2 >/dev/null
lab exec a ping -n -q -c 1 -W 2 b >/dev/null || fail "the link was restored and carries nothing"

say "several at once, and a name twice"
said=$(lab up "$work/small.toml" 2>&1) && fail "two labs of one name"
[[ $said == *"a lab called small runs already"* ]] || fail "no cure for a name twice: $said"
[[ $(lab up "$work/other.toml") == "lab other is up: 2 nodes, 1 link, in "* ]] || fail "up says something else"
lab up "$work/other.toml" --name third >/dev/null
said=$(lab status 2>&1) && fail "status of one of several labs"
[[ $said == *"several labs run"*small* ]] || fail "which lab? $said"
for name in other third; do
    lab -n "$name" exec a ping -n -q -c 1 -W 2 b >/dev/null || fail "$name: a does not reach b"
done
[[ $(lab list --json | jq -r '.[].lab' | xargs) == "other small third" ]] || fail "list: $(lab list)"
lab down third
lab down --all
[[ $(lab list) == "no lab runs" ]] || fail "list after down: $(lab list)"

say "events at their times"
lab up "$work/timed.toml" >/dev/null
lab exec a ping -n -D -i 0.01 -c 400 -W 1 b >"$work/pings" || true
lab down
awk -F'[][]' '/icmp_seq/ { if (last && $2 - last > 0.5) printf "%.3f %.3f\n", last, $2; last = $2 }' "$work/pings" >"$work/gap"
read -r from until <"$work/gap"
echo "cut from $from to $until"
awk -v from="$from" -v until="$until" 'BEGIN { d = until - from; exit !(d > 1.97 && d < 2.05) }' || fail "the gap is not of 2 s"

say "links that are down from the start, and by a schedule"
lab up "$work/down.toml" >/dev/null
carrier() { lab exec "$1" ip -o link show "$2" | grep -q "$3"; }
for host in a b; do
    wait_for "$host has a carrier on eth1 and none on eth0" 2 carrier "$host" eth0 NO-CARRIER
    carrier "$host" eth2 LOWER_UP || fail "a fibre with one strand, and $host has no carrier there"
    wait_for "the schedule cuts the link of $host" 6 carrier "$host" eth1 NO-CARRIER
done
for host in a b; do wait_for "the schedule restores the link of $host" 6 carrier "$host" eth1 "LOWER_UP.*state U"; done
lab set cable up=true
wait_for "the cable is there" 5 carrier a eth0 "LOWER_UP.*state U"
wait_for "a reaches b" 5 lab exec a ping -n -q -c 1 -W 1 b
! grep -i error "$WEFT_LAB_FOLDER/down/lab.log" || fail "the lab complains"
lab down

say "switches in a loop: a warning, in VLAN 7 alone"
cat >"$work/loop.toml" <<'END'
[[host]]
name = "a"
[[switch]]
name = "s{i}"
count = 3
[[link]]
ends = ["s{i}", "s{i%3+1}"]
count = 3
vlan = 7
[[link]]
ends = ["a", "s1"]
vlan = 7
END
said=$(lab up "$work/loop.toml" 2>&1) || fail "no lab with a loop: $said"
lab down
[[ $said == *"warning: the switches s3, s2, s1 are in a loop by the links s2--s3, s1--s2, s3--s1 in VLAN 7: "*"(up = false)"* ]] || fail "no warning: $said"
sed -i 's/^vlan = 7$/vlan = "{i}7"/; $ s/.*/vlan = 7/' "$work/loop.toml"
said=$(lab up "$work/loop.toml" 2>&1) || fail "no lab without a loop: $said"
lab down
[[ $said != *warning* ]] || fail "a warning without a loop: $said"

say "a lab that cannot be: nothing is left"
sed 's/^run = .*/routes = [{ to = "10.99.0.0\/16", via = "192.0.2.77" }]/' "$work/small.toml" >"$work/wrong.toml"
said=$(lab up "$work/wrong.toml" 2>&1) && fail "a route via nowhere"
echo "$said"
[[ $said == *"10.99.0.0/16"* ]] || fail "what is wrong? $said"
[[ $(lab clean) == "nothing was left behind" ]] || fail "a lab that could not be left something"

say "in the foreground until Ctrl-C"
env --default-signal=INT "$WEFT_BIN/weft-lab" up "$work/other.toml" --foreground >"$work/foreground.log" 2>&1 &
front=$!
wait_for "the lab is up" 10 grep -q "is up" "$work/foreground.log"
kill -INT "$front"
status=0; wait "$front" || status=$?
[[ $status -eq 0 ]] || fail "the end by Ctrl-C has status $status"
[[ $(lab list) == "no lab runs" ]] || fail "the lab goes on after Ctrl-C"
