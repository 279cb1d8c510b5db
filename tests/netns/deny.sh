#!/bin/bash
# A source on the underlay is denied while a session with it is in use: nothing of it comes in any more, and it is counted; allowed
# again, it is back within the time of a handshake. With one worker and with two; by the workers alone, by XDP at the uplink while
# somebody is denied, and by XDP that is always there; by command and by configuration. And what the command says to mistakes.
. "$(dirname "$0")/lib.sh"

# told SITE STATUS PATTERN COMMAND...: how the client ends, and what it says.
told() {
    local site=$1 wanted=$2 pattern=$3 said status=0
    shift 3
    said=$(weft "$site" "$@" 2>&1) || status=$?
    echo "weft $*: $said"
    [[ $status -eq $wanted ]] || fail "weft $*: exit status $status, not $wanted"
    grep -qE "$pattern" <<<"$said" || fail "weft $*: nothing like '$pattern'"
}

# denied PREFIX: packets that were dropped because of it.
denied() { weft site-a --json deny show | jq --arg prefix "$1" '[.denied[] | select(.prefix == $prefix) | .packets] | add // 0'; }
counted() { (($(denied "$1") >= $2)); }
unreachable() { ! reaches host-a 10.10.0.12 && ! reaches host-b 10.20.1.1; }

# by_weft: packets that the workers have dropped, whatever the prefix.
by_weft() { weft site-a --json deny show | jq '[.denied[] | .packets - .kernel_packets] | add // 0'; }
paths() { weft site-a --json deny show | jq -r '[.denied[].path] | unique | join(" ")'; }
early() { query site-a status '.fast_path.uplinks | map("\(.device) \(.early_drop // .why_not)") | join(", ")'; }
has_no_xdp() { ! on site-a ip link show eth0 | grep -q xdp; }

# expect_early PATTERN: of eth0.
expect_early() {
    local said
    said=$(early)
    grep -qE "^eth0 $1\$" <<<"$said" || fail "the early drop: $said, not $1"
}

# begin WORKERS MODE [DENIED]: both sites, site-a with this [fastpath] mode and this [underlay] deny.
begin() {
    [[ -z ${daemon[site-a]-} ]] || stop site-a site-b
    {
        ports a 1
        peer site-b 2 'endpoint = "203.0.113.2:4500"'
        printf '[fastpath]\nmode = "%s"\n' "$2"
        [[ -z ${3-} ]] || printf '[underlay]\ndeny = ["%s"]\n' "$3"
    } | config site-a "workers = $1"
    { ports b 2; peer site-a 1; } | config site-b "workers = $1"
    start site-a site-b
}

underlay
key site-a site-b
begin 1 auto
runs=("1 off" "2 auto" "1 xdp")
configured=(auto xdp)
if [[ $(early) != "eth0 nobody is denied" ]]; then
    say "no XDP: $(early)"
    runs=("1 off" "2 off")
    configured=(off)
fi
for run in "${runs[@]}"; do
    read -r workers mode <<<"$run"
    say "$workers workers, mode $mode"
    begin "$workers" "$mode"
    wait_for "the sites' first ping" 15 reaches host-a 10.10.0.12
    pings host-b 10.20.1.1
    [[ $(weft site-a deny show) == "nobody is denied" ]] || fail "$(weft site-a deny show)"
    path=kernel
    case $mode in
        off) path=weft ;;
        auto) expect_early 'nobody is denied' ;;
        xdp) expect_early 'xdp (native|generic)' ;;
    esac

    told site-a 0 '^warning: peer site-b is in it, and shut out$' deny add 203.0.113.0/24
    told site-a 0 '^203\.0\.113\.2/32: denied$' deny add 203.0.113.2
    told site-a 0 '^2001:db8::/32: denied$' deny add 2001:db8::/32
    shorter=$(denied 203.0.113.0/24)  # what came before there was the longer one
    [[ $(paths) == "$path" ]] || fail "dropped by: $(paths), not $path"
    [[ $mode == off ]] || expect_early 'xdp (native|generic)'
    unreachable || fail "traffic goes on"
    wait_for "what is denied is counted" 5 counted 203.0.113.2/32 3
    early_ones=$(by_weft)  # what came before the program was there
    unreachable || fail "traffic goes on"
    # longer than it takes to notice silence and to call
    spawn host-b "$work/ping.txt" ping -n -q -i 0.05 10.20.1.1
    for _ in {1..6}; do unreachable || fail "traffic is back"; done
    kill "$last_spawned"
    (($(denied 203.0.113.0/24) == shorter)) || fail "counted for the shorter prefix: $(weft site-a deny show)"
    weft site-a deny show
    weft site-a status | grep -E 'early drop|fast path'
    total=$(denied 203.0.113.2/32)
    if [[ $path == kernel ]]; then
        (($(by_weft) == early_ones)) || fail "weft sees what the kernel was to drop: $(weft site-a --json deny show)"
        ((total > early_ones)) || fail "the kernel has dropped nothing"
    else
        (($(by_weft) >= total)) || fail "who has dropped it? $(weft site-a --json deny show)"
    fi
    (($(drops site-a denied) >= total)) || fail "weft drops: $(weft site-a drops)"
    reaches site-b 198.51.100.2 || fail "who is denied the underlay is denied the host"
    weft site-a --json deny show | jq -e '.denied | map(keys) | unique == [["bytes", "kernel_packets", "packets", "path", "prefix"]]' >/dev/null ||
        fail "the JSON's keys"
    weft site-a --json deny show | jq -e '.denied[] | select(.prefix == "203.0.113.2/32") | .bytes > .packets' >/dev/null || fail "bytes"

    told site-a 0 '^203\.0\.113\.2/32: allowed again$' deny del 203.0.113.2/32
    unreachable || fail "the wider prefix does not deny"
    wait_for "the wider prefix's count" 5 counted 203.0.113.0/24 $((shorter + 1)) || fail "not counted for the wider prefix: $(weft site-a deny show)"
    told site-a 0 '"prefix": "203.0.113.0/24"' deny del 203.0.113.0/24 --json
    before=$(now_ms)
    wait_for "traffic is back" 10 reaches host-a 10.10.0.12
    echo "back after $(($(now_ms) - before)) ms"
    pings host-b 10.20.1.1
    (($(drops site-a denied) >= total)) || fail "forgotten: $(weft site-a drops)"
    told site-a 0 '2001:db8::/32' deny show
    told site-a 0 '2001:db8::/32: allowed again' deny del 2001:db8::/32
    case $mode in
        auto) expect_early 'nobody is denied'; has_no_xdp || fail "XDP stays at the uplink" ;;
        xdp) expect_early 'xdp (native|generic)' ;;
    esac
done

for mode in "${configured[@]}"; do
    say "denied by configuration, mode $mode"
    begin 1 "$mode" 203.0.113.2/32
    [[ $mode == off ]] || expect_early 'xdp (native|generic)'
    wait_for "what is denied is counted" 5 counted 203.0.113.2/32 3
    unreachable || fail "the configured source comes in"
    weft site-a --json deny show
    [[ $mode == off ]] || (($(by_weft) == 0)) || fail "weft has seen what the kernel was to drop"
    (($(drops site-a denied) >= 3)) || fail "weft drops: $(weft site-a drops)"
    told site-a 0 'allowed again$' deny del 203.0.113.2
    wait_for "traffic is back" 10 reaches host-a 10.10.0.12
    [[ $mode != auto ]] || has_no_xdp || fail "XDP stays at the uplink"
done

if [[ ${configured[0]} != off ]]; then
    say "an uplink that is not there"
    stop site-a
    wait_for "XDP is gone with the daemon" 5 has_no_xdp
    sed -i '/^mode = /a uplinks = ["none0"]' "$work/site-a.toml"
    status=0
    said=$(on site-a "$WEFT_BIN/weftd" --config "$work/site-a.toml" 2>&1) || status=$?
    echo "$said"
    [[ $status -eq 1 ]] || fail "it starts, or ends with status $status"
    grep -q 'mode = "xdp": uplink none0: no such device' <<<"$said" || fail "no reason"
    sed -i 's/^mode = .*/mode = "auto"/' "$work/site-a.toml"
    start site-a
    [[ $(early) == "none0 no such device" ]] || fail "$(early)"
    [[ $(paths) == weft ]] || fail "dropped by: $(paths)"
    wait_for "what is denied is counted" 5 counted 203.0.113.2/32 3
    told site-a 0 'allowed again$' deny del 203.0.113.2
    wait_for "traffic is back" 10 reaches host-a 10.10.0.12
fi

say "mistakes"
told site-a 0 ': denied$' deny add 198.18.0.0/15
told site-a 1 '198\.18\.0\.0/15 is denied already' deny add 198.18.0.0/15
told site-a 1 "'198\.18\.0\.0/33' is not a prefix: write it as in 203\.0\.113\.0/24 or 2001:db8::/32" deny add 198.18.0.0/33
told site-a 1 '198\.18\.0\.1/15 has host bits set: write 198\.18\.0\.0/15' deny add 198.18.0.1/15
told site-a 1 '192\.0\.2\.0/24 is not denied' deny del 192.0.2.0/24
told site-a 1 '198\.18\.7\.0/24 is denied only as part of 198\.18\.0\.0/15' deny del 198.18.7.0/24
told site-a 2 'PREFIX' deny add
told site-a 2 'subcommand' deny
grep -q "203.0.113.2/32 is denied the underlay" "$work/site-a.log" || fail "the log has no word of it"

say "from the configuration, with a peer in it"
stop site-a
{ printf '[underlay]\ndeny = ["203.0.113.0/24"]\n'; ports a 1; peer site-b 2 'endpoint = "203.0.113.2:4500"'; } | config site-a
start site-a
grep -q 'warning.*deny has 203.0.113.0/24, and peer site-b in it' "$work/site-a.log" || fail "the log does not warn"
reaches host-a 10.10.0.12 && fail "a peer that is denied is reached"
wait_for "its answers are counted" 10 counted 203.0.113.0/24 1
told site-a 0 'allowed again' deny del 203.0.113.0/24
before=$(now_ms)
wait_for "the peer is reached" 10 reaches host-a 10.10.0.12
echo "reached after $(($(now_ms) - before)) ms"
