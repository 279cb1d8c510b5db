#!/bin/bash
# 200 hosts on a tree of 20 switches: up in 15 s, down in 5 s, pairs reach each other, and idle they cost next to nothing.
. "$(dirname "$0")/lib.sh"
. "$here/lab_lib.sh"

cat >"$work/tree.toml" <<'END'
[lab]
addresses = ["10.0.0.0/16"]
[[host]]
name = "h{i}-{j}"
count = [20, 10]
[[switch]]
name = "s{i}"
count = 20
[[link]]
name = "l{i}-{j}"
count = [20, 10]
ends = ["h{i}-{j}", "s{i}"]
END
# Switch n hangs at switch n/2.
for ((i = 2; i <= 20; i++)); do printf '[[link]]\nends = ["s%d", "s%d"]\n' "$i" "$((i / 2))"; done >>"$work/tree.toml"

say "up"
before=$(now_ms)
lab up "$work/tree.toml"
took=$(($(now_ms) - before))
echo "up in $took ms"
((took <= 15000)) || fail "up took $took ms"

say "pairs at random, and the two that are farthest apart"
for pair in "1-1 20-10" "$((RANDOM % 20 + 1))-$((RANDOM % 10 + 1)) $((RANDOM % 20 + 1))-$((RANDOM % 10 + 1))" "8-3 20-4" "17-9 11-2"; do
    read -r from to <<<"$pair"
    lab exec "h$from" ping -n -q -c 3 -i 0.1 -W 2 "h$to" | grep -q " 3 received" || fail "h$from does not reach h$to"
done

say "idle"
runner=$(lab_runner tree)
ticks() { awk '{ print $14 + $15 }' "/proc/$runner/stat"; }
sleep 14  # the kernels ask for routers three times at first
before=$(ticks)
sleep 10
used=$(($(ticks) - before))
echo "idle: $used ticks of 10 ms in 10 s; $(awk '/^(VmRSS|VmSwap)/ { print $1, $2, $3 }' "/proc/$runner/status" | xargs)"
((used <= 20)) || fail "the idle lab takes $used ticks in 10 s, more than 2 %"

say "down"
before=$(now_ms)
lab down
took=$(($(now_ms) - before))
echo "down in $took ms"
((took <= 5000)) || fail "down took $took ms"
