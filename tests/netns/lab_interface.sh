#!/bin/bash
# An interface of the machine in a lab, by root: a host of the lab is on the wire that the interface is on.
. "$(dirname "$0")/lib.sh"
. "$here/lab_lib.sh"

ns machine neighbor
link machine wire0 neighbor eth0
address neighbor eth0 192.0.2.1/24
cat >"$work/real.toml" <<'END'
[[interface]]
name = "outside"
device = "wire0"
[[host]]
name = "inside"
[[link]]
name = "uplink"
ends = ["inside", "outside"]
address = ["192.0.2.2/24", "none"]
impair = { delay = "10ms" }
END

on machine "$WEFT_BIN/weft-lab" up "$work/real.toml"
lab exec inside ping -n -q -c 3 -i 0.1 -W 2 192.0.2.1 | tee "$work/said"
grep -q " 3 received" "$work/said" || fail "the host does not reach the wire"
reaches neighbor 192.0.2.2 | awk -F/ '/^rtt/ { exit !($5 > 20 && $5 < 40) }' || fail "the wire does not reach the host in 20 ms"
say "the interface goes down and comes back"
on machine ip link set wire0 down
! reaches neighbor 192.0.2.2 >/dev/null || fail "it answers through an interface that is down"
on machine ip link set wire0 up
wait_for "the host is reached again" 10 reaches neighbor 192.0.2.2
lab down
[[ -n $(on machine ip -o link show wire0) ]] || fail "the interface is gone with the lab"
said=$(on machine "$WEFT_BIN/weft-lab" up "$work/real.toml" --rootless 2>&1) && fail "rootless, and has the machine's interface"
[[ $said == *"root alone"* ]] || fail "no cure: $said"
sed -i 's/wire0/wire9/' "$work/real.toml"
said=$(on machine "$WEFT_BIN/weft-lab" up "$work/real.toml" 2>&1) && fail "an interface that there is not"
echo "$said"
[[ $said == *"outside"*"wire9"* ]] || fail "which interface? $said"
