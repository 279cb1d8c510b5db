#!/bin/bash
# weft lab run: steps that pass, steps that do not, and what is told of them; and that the lab is gone afterwards.
. "$(dirname "$0")/lib.sh"
. "$here/lab_lib.sh"

lab_with() {
    cat <<'END'
[lab]
name = "scripted"
[[host]]
name = "a"
[[host]]
name = "b"
[[link]]
name = "cable"
ends = ["a", "b"]
END
    cat
}

# runs STATUS PATTERN...: the script on stdin ends with the status and says each pattern.
runs() {
    local wanted=$1 pattern status=0
    shift
    lab_with >"$work/script.toml"
    lab run "$work/script.toml" >"$work/said" 2>&1 || status=$?
    sed 's/^/    /' "$work/said"
    [[ $status -eq $wanted ]] || fail "status $status, not $wanted"
    for pattern in "$@"; do grep -qE -- "$pattern" "$work/said" || fail "says nothing like '$pattern'"; done
    [[ $(lab list) == "no lab runs" && $(lab clean) == "nothing was left behind" ]] || fail "the lab goes on"
}

say "all pass"
runs 0 '^ok +ping ' '^ok +cut ' '^ok +nothing comes through ' '^ok +a number ' '^ok +listens ' 'all 7 steps passed' <<'END'
[[step]]
name = "ping"
on = "a"
run = "ping -n -q -c 1 -W 2 b"
expect = " 0% packet loss"
[[step]]
name = "cut"
link = "cable"
direction = "there"
up = false
[[step]]
name = "nothing comes through"
on = "a"
run = "ping -n -q -c 1 -W 1 b"
status = 1
[[step]]
link = "cable"
up = true
[[step]]
name = "a number"
on = "b"
run = "echo '{\"x\": [1, 2.5]}'"
value = "/x/1"
at_least = 2
at_most = 3
[[step]]
name = "a server in the background"
on = "b"
run = "sleep 0.5; echo up > /run/served; sleep 100"
background = true
[[step]]
name = "listens"
on = "a"
run = "cat /run/served"
retry = true
within = "10s"
END

say "the first that fails is the last"
runs 1 '^ok +first' '^FAILED +second' 'script.toml:[0-9]+: its exit status is 3' 'a: echo some; echo words >&2; exit 3' '\| some' '\| words' 'a step failed' <<'END'
[[step]]
name = "first"
on = "a"
run = "true"
[[step]]
name = "second"
on = "a"
run = "echo some; echo words >&2; exit 3"
[[step]]
name = "third"
on = "a"
run = "true"
END
! grep -q third "$work/said" || fail "the script went on"

say "too slow"
runs 1 'it has not ended within 1 s' <<'END'
[[step]]
on = "a"
run = "sleep 100"
within = "1s"
END

say "never as expected, however often"
runs 1 "its output is to have 'three' in it" '\| one' <<'END'
[[step]]
on = "a"
run = "echo one"
expect = "three"
retry = true
within = "1s"
END

say "interrupted"
lab_with >"$work/script.toml" <<'END'
[[step]]
wait = "60s"
END
"$WEFT_BIN/weft-lab" run "$work/script.toml" >"$work/interrupted.log" 2>&1 &
front=$!
wait_for "the lab is up" 10 grep -q "is up" "$work/interrupted.log"
kill -TERM "$front"
status=0; wait "$front" || status=$?
[[ $status -eq 1 ]] || fail "an interrupted run has status $status"
[[ $(lab list) == "no lab runs" && $(lab clean) == "nothing was left behind" ]] || fail "the lab goes on"

say "the front is killed: the lab ends with it"
"$WEFT_BIN/weft-lab" run "$work/script.toml" >"$work/killed.log" 2>&1 &
front=$!
wait_for "the lab is up" 10 grep -q "is up" "$work/killed.log"
kill -KILL "$front"
wait "$front" 2>/dev/null || true
no_lab_runs() { [[ $(lab list) == "no lab runs" ]]; }
wait_for "the lab ends" 10 no_lab_runs
