# shellcheck shell=bash
# weft: one switch over both sites, TAP, plain VXLAN.
TOPOLOGY=plain
. "$here/shared/weft.sh"

up() {
    site "$1" a b "$OVER_A" "$UNDER_B"
    site "$2" b a "$OVER_B" "$UNDER_A"
}

site() {    # NS NAME PEER OVER PEER_UNDER
    weftd "$1" "$2" <<END
$(weft0_on_bridge "$4")

[[peer]]
name = "$3"
endpoint = "$5:4789"
encryption = "none"
bridges = ["lan"]
END
}
