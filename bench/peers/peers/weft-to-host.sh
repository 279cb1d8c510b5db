# shellcheck shell=bash
# The same as weft-host, the other way round.
. "$here/peers/weft-host.sh"

up() {
    END_B=$SWITCH
    host_on_switch "$1" "$OVER_B" "$OVER_A"
}
