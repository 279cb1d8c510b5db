# shellcheck shell=bash disable=SC2154
# For tests of weft lab, after lib.sh: labs in a folder of the test's own, which run as its root unless said otherwise.
[[ -x $WEFT_BIN/weft-lab ]] || skip "no weft-lab in $WEFT_BIN"
unset WEFT_LAB
export NO_COLOR=1
export WEFT_LAB_FOLDER=$work/labs

# lab COMMAND...
lab() { "$WEFT_BIN/weft" lab "$@"; }

# check_sys NODE INTERFACE...: which /sys shows.
check_sys() {
    local node=$1 seen
    shift
    seen=$(lab exec "$node" ls /sys/class/net | grep -v bonding_masters | xargs)
    [[ $seen == "$*" ]] || fail "$node sees in /sys: $seen"
}

# Processes of labs, of any user.
lab_processes() { pgrep -x weft-lab-runner || true; }

before_exit() {
    tail -n 20 "$WEFT_LAB_FOLDER"/*/lab.log 2>/dev/null
    lab down --all >/dev/null 2>&1
    lab clean >/dev/null
}

# lab_runner NAME: the process that is the lab, as it is seen here; nothing if there is none.
lab_runner() {
    local pid
    for pid in $(lab_processes); do
        if [[ -n $(find "/proc/$pid/fd" -lname "$WEFT_LAB_FOLDER/$1/lock" 2>/dev/null) ]]; then
            echo "$pid"
            return
        fi
    done
}
