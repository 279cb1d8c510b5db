#!/bin/bash
# The configuration files of a lab's sites are those of production: the same files, under weftd in namespaces that are made by hand,
# give the same table of who reaches whom.
# In a mount namespace with a /run of its own: the files name namespaces in /run/netns and keys in /run/weft.
[[ -n ${own_run-} || $EUID -ne 0 ]] || own_run=1 exec unshare --mount --propagation private "$0"
[[ $EUID -ne 0 ]] || { mount -t tmpfs none /run; mkdir /run/netns /run/weft /run/lock; mount -t tmpfs none /var/lib; mkdir /var/lib/weft; }
. "$(dirname "$0")/lib.sh"
need nft
[[ -x $WEFT_BIN/weft-lab ]] || skip "no weft-lab in $WEFT_BIN: scripts/build makes it"
examples=$root/lab/examples
lab=$prefix

places=(pc-a pc-b pc-c site-a site-b site-c)
targets=(10.10.0.11 10.10.0.12 10.10.0.13 fd00:10::12 10.20.1.1 10.20.2.1 10.20.3.1 fd00:20:1::1 fd00:20:3::1
    192.168.1.1 198.51.100.1 198.51.100.3 10.99.0.1)

in_lab() { "$WEFT_BIN/weft" lab --name "$lab" exec "$@"; }
by_hand() { nsenter --net="/run/netns/$1" -- "${@:2}"; }

# table HOW: a line for each place, with what it reaches; HOW PLACE COMMAND... runs it there.
table() {
    local how=$1 place target found
    for place in "${places[@]}"; do
        found=''
        for target in "${targets[@]}"; do
            if "$how" "$place" ping -n -q -c 1 -W 0.7 "$target" >/dev/null 2>&1; then found+=" $target"; else found+=" -"; fi
        done
        echo "$place:$found" >"$work/$how.$place" &
    done
    wait "$(jobs -p | tail -n 1)"
    for place in "${places[@]}"; do
        wait_for "the row of $place" 60 test -s "$work/$how.$place"
        cat "$work/$how.$place"
    done
}

# met HOW: all tunnels are there.
met() {
    local from to
    for from in a b c; do
        for to in 11 12 13; do "$1" "pc-$from" ping -n -q -c 1 -W 0.3 "10.10.0.$to" || return 1; done
        for to in 1 2 3; do "$1" "site-$from" ping -n -q -c 1 -W 0.3 "fd00:20:$to::1" || return 1; done
    done
}

say "in a lab"
"$WEFT_BIN/weft" lab --name "$lab" up "$examples/three_offices.toml"
before_exit() { "$WEFT_BIN/weft" lab down "$lab" >/dev/null 2>&1; }
wait_for "all sites have met" 30 met in_lab
table in_lab | tee "$work/lab.txt"
"$WEFT_BIN/weft" lab down "$lab"

say "by hand"
ip netns add internet
by_hand internet ip link add br0 up type bridge
number=0
for office in a b c; do
    ((++number))
    for name in pc site nat; do
        ip netns add "$name-$office"
        by_hand "$name-$office" ip link set lo up
    done
    ip link add wan netns "nat-$office" type veth peer name "wan-$office" netns internet
    by_hand internet ip link set "wan-$office" up master br0
    ip link add lan netns "nat-$office" type veth peer name eth0 netns "site-$office"
    by_hand "nat-$office" ip address add "198.51.100.$number/24" dev wan
    by_hand "nat-$office" ip address add 192.168.1.1/24 dev lan
    for device in wan lan; do by_hand "nat-$office" ip link set "$device" up; done
    by_hand "site-$office" ip address add 192.168.1.2/24 dev eth0
    by_hand "site-$office" ip link set eth0 up
    by_hand "site-$office" ip route add default via 192.168.1.1
    by_hand "nat-$office" sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
done
cd "$examples"
by_hand nat-a nft -f three_offices/nat_open.nft
by_hand nat-b nft -f three_offices/nat_open.nft
by_hand nat-c nft -f three_offices/nat_closed.nft
sh three_offices/make_keys
for office in a b c; do
    nsenter --net="/run/netns/site-$office" -- "$WEFT_BIN/weftd" --config "three_offices/site-$office.toml" \
        >"$work/site-$office.log" 2>&1 </dev/null &
    spawned+=("$!")
done
wait_for "all sites have met" 30 met by_hand
table by_hand >"$work/hand.txt"

diff "$work/lab.txt" "$work/hand.txt" || fail "the lab's table and that of the same files by hand differ"
reached=$(grep -o ' [0-9a-f][0-9a-f.:]*' "$work/lab.txt" | wc -l)
not=$(grep -o ' -' "$work/lab.txt" | wc -l)
((reached >= 30 && not >= 12)) || fail "$reached reached and $not not: that is no table that says much"
echo "the same $reached of $((reached + not)) reach in both"
