# shellcheck shell=bash
# weft: one switch over both sites, TAP, VXLAN inside ESP. Its inner MTU is what that
# leaves of the underlay's 1500.
TOPOLOGY=encrypted
. "$here/shared/weft.sh"
MTU=$ESP_BRIDGED_MTU

up() {
    make_keys a b
    site "$1" a b "$OVER_A" "$UNDER_B"
    site "$2" b a "$OVER_B" "$UNDER_A"
}

site() {    # NS NAME PEER OVER PEER_UNDER
    weftd "$1" "$2" <<END
$(weft0_on_bridge "$4")

[[peer]]
name = "$3"
public_key = "$(cat "$WORK/$3.pub")"
endpoint = "$5:4500"
bridges = ["lan"]
END
}
