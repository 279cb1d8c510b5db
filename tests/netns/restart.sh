#!/bin/bash
# A site that loses power comes back: kill -9 during a ping, each side in turn (the one that knows its peer's address and the
# one that learned it); the ping goes on within five seconds of the restart.
. "$(dirname "$0")/lib.sh"
limit_ms=5000

two_sites

# The pauses of the killed site stand for the time that a supervisor takes; one is longer than the peer needs to notice.
restart() {
    local site=$1 down=$2 from=$3 to=$4 started
    say "$site is killed, and back after $down s"
    crash "$site"
    reaches "$from" "$to" >/dev/null && fail "$to answers while $site is dead"
    sleep "$down"
    start "$site"
    started=$(now_ms)
    wait_for "traffic after the restart of $site" 20 reaches "$from" "$to" -W 0.2
    local took=$(($(now_ms) - started))
    echo "$from -> $to answered $took ms after $site was up"
    ((took <= limit_ms)) || fail "$site: traffic took $took ms to return; $limit_ms are allowed"
    pings "$from" "$to"
}

restart site-b 0 host-a 10.10.0.12
restart site-a 0 host-a 10.10.0.12
restart site-b 3 host-a 10.10.0.12
restart site-a 0 host-a 10.20.2.1
restart site-b 0 host-b 10.20.1.1

say "both at once"
crash site-a
crash site-b
start site-a site-b
started=$(now_ms)
wait_for "traffic after both restarted" 20 reaches host-a 10.10.0.12 -W 0.2
took=$(($(now_ms) - started))
echo "answered after $took ms"
((took <= limit_ms)) || fail "traffic took $took ms to return"

say "nothing else was made of it: the hosts kept their addresses"
pings host-a 10.20.2.1
pings host-b 10.10.0.11
