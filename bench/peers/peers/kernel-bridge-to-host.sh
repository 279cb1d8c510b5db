# shellcheck shell=bash
# The same as kernel-bridge-host, the other way round.
. "$here/peers/kernel-bridge-host.sh"

up() {
    END_B=$SWITCH
    host_on_bridge "$1"
}
