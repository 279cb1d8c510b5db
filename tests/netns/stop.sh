#!/bin/bash
# What a running node costs when nothing happens, and what it leaves behind when it is told to stop: nothing.
. "$(dirname "$0")/lib.sh"

# The figures are for the optimized build; a sanitizer multiplies them.
if [[ -n ${WEFT_RELEASE_BIN-} ]]; then
    [[ -x $WEFT_RELEASE_BIN/weftd ]] || skip "no optimized weftd in $WEFT_RELEASE_BIN: scripts/build makes it"
    WEFT_BIN=$WEFT_RELEASE_BIN
fi

underlay
on host-a ip -j link show >"$work/links-before"
on host-a ip -j route show table all >"$work/routes-before"
on host-a ip -6 -j route show table all >"$work/routes6-before"
on site-a ip -j link show | jq -r '.[].ifname' >"$work/site-before"
key site-a site-b
{ ports a 1; peer site-b 2 'endpoint = "203.0.113.2:4500"'; } | config site-a
{ ports b 2; peer site-a 1; } | config site-b
start site-a site-b
wait_for "the first ping" 15 reaches host-a 10.10.0.12

say "idle for ten seconds: processor time and memory"
# Clock ticks (1/100 s) in user and in kernel mode: fields 14 and 15 of stat, after the name in brackets.
ticks() { sed 's/.*) //' "/proc/${daemon[$1]}/stat" | awk '{ print $12 + $13 }'; }
sleep 2 # the last of the pings' wake
declare -A before
for site in site-a site-b; do before[$site]=$(ticks "$site"); done
sleep 10
for site in site-a site-b; do
    used=$(($(ticks "$site") - before[$site]))
    rss=$(awk '/^VmRSS/ { print $2 }' "/proc/${daemon[$site]}/status")
    echo "$site: $used ticks of 1000, $rss KiB resident"
    ((used <= 2)) || fail "$site used $used of 1000 ticks while idle"
    # Some 4 MiB of them are the kernel's tables of the fast path, which are mapped as a whole.
    ((rss < 20 * 1024)) || fail "$site has $rss KiB resident; 20 MiB are allowed"
done

say "SIGTERM during traffic"
spawn host-a "$work/ping.txt" ping -n -q -i 0.002 10.10.0.12
sleep 0.3
stop site-a
no_device() { ! on host-a ip link show "$1"; }
no_device lan0 2>/dev/null || fail "lan0 is still there"
no_device weft0 2>/dev/null || fail "weft0 is still there"
[[ ! -e $work/site-a.sock ]] || fail "the control socket is still there"
[[ -z $(on site-a ss -Hlnu) ]] || fail "a UDP socket is still open: $(on site-a ss -Hlnu)"
same() { diff <(jq -S "$3" "$1") <(jq -S "$3" <<<"$2") || fail "$4 differ"; }
same "$work/links-before" "$(on host-a ip -j link show)" '[.[].ifname] | sort' "host-a's devices"
same "$work/routes-before" "$(on host-a ip -j route show table all)" '[.[] | [.dst, .dev]] | sort' "host-a's routes"
same "$work/routes6-before" "$(on host-a ip -6 -j route show table all)" '[.[] | [.dst, .dev]] | sort' "host-a's IPv6 routes"
diff "$work/site-before" <(on site-a ip -j link show | jq -r '.[].ifname') || fail "site-a's devices differ"

say "SIGINT is as good"
kill -INT "${daemon[site-b]}"
wait_for "site-b ends on SIGINT" 10 gone "${daemon[site-b]}"
wait "${daemon[site-b]}" || fail "site-b ended with status $?"
unset "daemon[site-b]"
[[ ! -e $work/site-b.sock ]] || fail "the control socket is still there"

say "the same configuration starts again"
start site-a site-b
wait_for "traffic" 10 reaches host-a 10.10.0.12
