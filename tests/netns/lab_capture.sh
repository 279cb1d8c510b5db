#!/bin/bash
# weft lab capture: several links in one pcapng, with their names, read by tshark; whole to its last block when it is interrupted.
. "$(dirname "$0")/lib.sh"
. "$here/lab_lib.sh"
need tshark

cat >"$work/captured.toml" <<'END'
[[host]]
name = "a"
[[host]]
name = "b"
[[switch]]
name = "s"
[[link]]
name = "left"
ends = ["a", "s"]
[[link]]
name = "right"
ends = ["s", "b"]
[[link]]
name = "other"
ends = ["a", "b"]
END
lab up "$work/captured.toml" >/dev/null

# dissect FILE OPTION...
dissect() { local file=$1; shift; tshark -n -r "$file" "$@" 2>>"$work/tshark.log"; }

say "a link and all links of a node"
"$WEFT_BIN/weft-lab" capture left b -w "$work/both.pcapng" &
capture=$!
spawned+=("$capture")
wait_for "the capture has begun" 10 test -s "$work/both.pcapng"
address=$(lab status --json | jq -r '.nodes[] | select(.name == "b").interfaces[] | select(.link == "right").addresses[0] | split("/")[0]')
lab exec a ping -n -q -c 5 -i 0.05 -W 2 "$address" >/dev/null
kill -TERM "$capture"
status=0; wait "$capture" || status=$?
[[ $status -eq 0 ]] || fail "an interrupted capture has status $status"
dissect "$work/both.pcapng" -Y icmp.type -T fields -e frame.interface_name -e icmp.type | sort | uniq -c | awk '{ $1 = $1 } 1' | tee "$work/counts"
! grep -q "cut short" "$work/tshark.log" || fail "the file ends within a block"
for line in $'5 left 8' $'5 left (back) 0' $'5 right 8' $'5 right (back) 0'; do
    grep -qxF "$line" "$work/counts" || fail "not: $line"
done

say "live, into another program"
lab capture left | timeout 20 tshark -n -l -i - -T fields -e frame.interface_name -e icmp.type >"$work/live" 2>>"$work/tshark.log" &
spawned+=("$!")
sleep 1
lab exec a ping -n -q -c 20 -i 0.1 -W 2 "$address" >/dev/null
wait_for "tshark sees it live" 10 grep -qxF $'left\t8' "$work/live"

say "what cannot be captured"
said=$(lab capture nobody -w "$work/none.pcapng" 2>&1) && fail "a link that there is not"
[[ $said == *"no link and no node 'nobody'"* ]] || fail "no cure: $said"
lab down
