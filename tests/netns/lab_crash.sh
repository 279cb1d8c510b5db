#!/bin/bash
# A lab that is killed, at any moment of its life, takes everything with it: no process, namespace, device or mount is left, and
# of files the folder that `weft lab clean` removes.
. "$(dirname "$0")/lib.sh"
. "$here/lab_lib.sh"

cat >"$work/crash.toml" <<'END'
[[host]]
name = "h{i}"
count = 12
run = ["sleep 4711"]
[[switch]]
name = "s"
[[link]]
name = "l{i}"
count = 12
ends = ["h{i}", "s"]
END

nothing_is_left() { ! pgrep -f "sleep 4711|weft-lab up $work" >/dev/null; }

say "kill -9 of the lab when it is up"
lab up "$work/crash.toml" --name up >/dev/null
runner=$(lab_runner up)
[[ $(pgrep -fc "sleep 4711") -ge 12 ]] || fail "the hosts' commands do not run"
kill -KILL "$runner"
wait_for "the lab's processes are gone" 10 nothing_is_left
[[ -e $WEFT_LAB_FOLDER/up ]] || fail "its folder is gone already: what is there to clean?"
lab clean | tee "$work/said"
grep -q "removed the folder of the lab up" "$work/said" || fail "clean does not say what it did"
[[ ! -e $WEFT_LAB_FOLDER ]] || fail "left: $(find "$WEFT_LAB_FOLDER")"
[[ $(lab clean) == "nothing was left behind" ]] || fail "a second clean finds something"

say "kill -9 of the lab, and of its front, somewhere in the middle of the beginning"
for i in {1..20}; do
    "$WEFT_BIN/weft-lab" up "$work/crash.toml" --name "mid$i" >/dev/null 2>>"$work/fronts.log" &
    front=$!
    sleep "0.$(printf %03d $((i * 4)))"
    if ((i % 2)); then
        kill -KILL "$front" 2>/dev/null || true
    else
        runner=$(lab_runner "mid$i")
        [[ -z $runner ]] || kill -KILL "$runner" 2>/dev/null || true
    fi
    wait "$front" 2>/dev/null || true
done
# Those that were there before they could be killed are taken down.
all_are_down() { lab down --all && nothing_is_left; }
wait_for "the labs' processes are gone" 10 all_are_down
lab clean | sed 's/^/    /'
[[ ! -e $WEFT_LAB_FOLDER ]] || fail "left: $(find "$WEFT_LAB_FOLDER")"
[[ $(own_interfaces) == "$interfaces_before" ]] || fail "an interface is left"

say "a name whose lab was killed is free"
lab up "$work/crash.toml" --name again >/dev/null
kill -KILL "$(lab_runner again)"
wait_for "the lab's processes are gone" 10 nothing_is_left
lab up "$work/crash.toml" --name again >/dev/null
lab down again
