#!/bin/bash
# Each of lab/examples does what its script says, without root of the machine, from a folder that is not written to.
. "$(dirname "$0")/lib.sh"
. "$here/lab_lib.sh"
need iperf3 nft awk seq

for example in "$root"/lab/examples/*.toml; do
    say "$(basename "$example")"
    begun=$(now_ms)
    lab run --rootless "$example" || fail "$(basename "$example")"
    echo "in $((($(now_ms) - begun) / 1000)) s"
done

say "branch.toml, simulated"
"$WEFT_BIN/weft" lab --json simulate "$root/lab/examples/branch.toml" --without-commands >"$work/simulated" || fail "branch.toml is not simulated"
jq -e '.traffic | map(.received_packets > 0.99 * .sent_packets) | all' "$work/simulated" >/dev/null ||
    { cat "$work/simulated"; fail "the simulated branch office does not reach its headquarters"; }
[[ $(own_interfaces) == "$interfaces_before" ]] || fail "an interface is left"
