#!/bin/bash
# Containers come and go by many callers at a time, while weftd and plugins are killed; in the end nothing is left: no device, no
# address, no namespace, no lease, no file, no process but weftd.
. "$(dirname "$0")/lib.sh"
[[ -x $WEFT_BIN/weft-cni ]] || skip "no weft-cni in $WEFT_BIN"
need python3

ns host
config host <<END
[[bridge]]
name = "pods"
gateway = ["10.1.0.1/16", "fd00:1::1/64"]
END
on host ip -o link show | awk -F': ' '{ print $2 }' | sort >"$work/before"
python3 "$here/churn.py" "${WEFT_CONTAINERS-60}" 16 "$prefix" "$WEFT_BIN" "$work" || failed=1
daemon[host]=$(cat "$work/weftd.pid")
spawned+=("${daemon[host]}")
[[ -z ${failed-} ]] || fail "containers could not be had, or taken away"
[[ $(query host ipam '[.pools[].leases[]] | length') == 0 ]] || fail "leases are left: $(weft host ipam)"
[[ $(jq -c '[.ports, .leases]' "$work/host.json") == '[[],[]]' ]] || fail "the state has $(cat "$work/host.json")"
[[ $(query host fdb '.stations | length') == 0 ]] || fail "stations are left: $(weft host fdb)"
on host ip -o link show | awk -F': ' '{ print $2 }' | sort >"$work/after"
diff "$work/before" "$work/after" || fail "devices are left"
[[ -z $(find "$work/data" -type f 2>/dev/null) ]] || fail "files are left: $(find "$work/data" -type f)"
[[ -z $(ip netns list | grep "^$prefix-c" || true) ]] || fail "namespaces are left"
kill -TERM "${daemon[host]}"
wait_for "weftd's end" 10 gone "${daemon[host]}"
unset "daemon[host]"
