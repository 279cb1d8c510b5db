# shellcheck shell=bash
# The kernel's VXLAN and bridge at the sending site, weft at the receiving one: what decapsulating in the fast path costs.
. "$here/peers/weft-vxlan-veth.sh"

up() {
    END_A=$PREFIX-ha
    END_B=$PREFIX-hb
    site "$1" "$END_A" "$UNDER_A" "$UNDER_B"
    new_ns "$END_B"
    weft_site "$2" b a "$END_B" "$OVER_B" "$UNDER_A"
}
