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
[[ $(own_interfaces) == "$interfaces_before" ]] || fail "an interface is left"
