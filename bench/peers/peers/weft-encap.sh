# shellcheck shell=bash
# weft at the sending site, the kernel's VXLAN and bridge at the receiving one: what encapsulating in the fast path costs.
. "$here/peers/weft-vxlan-veth.sh"

up() {
    END_A=$PREFIX-ha
    END_B=$PREFIX-hb
    new_ns "$END_A"
    weft_site "$1" a b "$END_A" "$OVER_A" "$UNDER_B"
    site "$2" "$END_B" "$UNDER_B" "$UNDER_A"
}
