#!/bin/bash
# An attacker stands in the only path between two sites, and holds, drops, repeats, reorders, flips, truncates, extends, splices
# and forges what passes (tests/netns/adversary.cpp says how). Nothing that it altered is delivered and nothing twice, each
# altered datagram is counted under a name, the daemons grow by nothing, and honest traffic gets through all the time.
#
# WEFT_ALTERED=N  altered datagrams of each kind (default: 1000)
. "$(dirname "$0")/lib.sh"

altered=${WEFT_ALTERED-1000}
adversary=$WEFT_BIN/../tests/netns/adversary
[[ -x $adversary ]] || skip "no $adversary: scripts/build makes it"
seed=${WEFT_SEED-1}
export ASAN_OPTIONS=detect_leaks=1:quarantine_size_mb=1

underlay
address router to-a 198.51.100.77/24
address router to-b 203.0.113.77/24
sysctl_in router net/ipv4/ip_forward 0
for host in host-a host-b; do
    sysctl_in "$host" net/ipv6/conf/default/disable_ipv6 1  # what the kernel says by itself is not in the count
    sysctl_in "$host" net/ipv4/ip_nonlocal_bind 1           # the attacker is there before the devices are
done
key site-a site-b
{ ports a 1; peer site-b 2 'endpoint = "198.51.100.1:4500"'; } | sed 's/, "fd00:[^"]*"//' | config site-a
{ ports b 2; peer site-a 1; } | sed 's/, "fd00:[^"]*"//' | config site-b

attack() { on router "$adversary" "$@" "$(ns_name host-a)" "$(ns_name host-b)" "$(ns_name router)" "$(public_key site-a)" "$(public_key site-b)"; }

# The names under which datagrams of the underlay are refused.
hostile='["truncated","unknown_spi","replayed","too_old","auth_failed","bad_padding","bad_control","handshake_failed","cookie_demanded","handshake_rate_limited","queue_full","receive_overflow"]'
drops_by_name() {
    { weft site-a drops --json; weft site-b drops --json; } | jq -cs --argjson hostile "$hostile" \
        '[.[].drops[] | select(.drop as $name | $hostile | index($name))] | group_by(.drop) | map({(.[0].drop): map(.packets) | add}) | add // {}'
}

resident_kb() { awk '/^VmRSS/ { print $2 }' "/proc/${daemon[$1]}/status"; }
state() { weft "$1" status --json | jq -c '[.pool.size_packets - .pool.available_packets, .stations, .peers, .routes]'; }

# judge KIND DROPS-BEFORE REPORT: what became of it, and that every altered datagram is accounted for.
judge() {
    local kind=$1 before=$2 report=$3 after counted expected
    after=$(drops_by_name)
    counted=$(jq -cn --argjson a "$after" --argjson b "$before" \
        '$a | to_entries | map({key, value: (.value - ($b[.key] // 0))} | select(.value != 0)) | from_entries')
    jq -r --argjson counted "$counted" '"\(.kind): \(.altered) " + (if .kind == "reorder" then "out of order" else "altered, none of them delivered" end) +
        "; of \(.sent) sent \(.delivered) delivered, each once; " +
        ($counted | to_entries | map("\(.key) \(.value)") | join(", "))' <<<"$report"
    expected=$(jq '.altered - .silent' <<<"$report")
    case $kind in
        drop | reorder) expected=0 ;;
    esac
    (($(jq '[.[]] | add // 0' <<<"$counted") >= expected)) || fail "$kind: $expected altered, but only $counted are counted"
    [[ $(jq '.receive_overflow // 0' <<<"$counted") == 0 ]] || fail "$kind: a receive buffer overflowed, so not all were judged"
}

say "a handshake under attack, seed $seed"
spawn router "$work/handshake.json" "$adversary" handshake "$altered" "$seed" "$(ns_name host-a)" "$(ns_name host-b)" \
    "$(ns_name router)" "$(public_key site-a)" "$(public_key site-b)"
attacker=$last_spawned
launch site-a
launch site-b
wait_for "the sites' ports" 20 sh -c "$(declare -f on); prefix=$prefix; on host-a ip link show weft0 up && on host-b ip link show weft0 up"
on host-a ip neighbor replace 10.10.0.12 lladdr "$(mac_of host-b lan0)" nud permanent dev lan0
on host-b ip neighbor replace 10.10.0.11 lladdr "$(mac_of host-a lan0)" nud permanent dev lan0
status=0
wait "$attacker" || status=$?
((status == 0)) || fail "the handshake: $(cat "$work/handshake.json")"
judge handshake '{}' "$(cat "$work/handshake.json")"

declare -A rss held
for site in site-a site-b; do
    rss[$site]=$(resident_kb "$site")
    held[$site]=$(state "$site")
done

for kind in flip truncate extend splice forge repeat sources reorder drop hold; do
    before=$(drops_by_name)
    report=$(attack "$kind" "$altered" "$seed") || fail "$kind: ${report:-no report}"
    judge "$kind" "$before" "$report"
done

say "what the daemons have grown by"
for site in site-a site-b; do
    kill -0 "${daemon[$site]}" || fail "$site is not running any more"
    grown=$(($(resident_kb "$site") - rss[$site]))
    echo "$site: resident ${rss[$site]} KB, grown by $grown KB; packets held, stations, peers, routes: ${held[$site]} before, $(state "$site") after"
    [[ $(state "$site") == "${held[$site]}" ]] || fail "$site holds $(state "$site") instead of ${held[$site]}"
    ((grown < 8192)) || fail "$site has grown by $grown KB"
done

say "honest traffic through an honest router"
attack none 0 "$seed"
