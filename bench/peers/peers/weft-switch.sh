# shellcheck shell=bash
# weft as a switch between two hosts, which each get a TAP device.
TOPOLOGY=local
. "$here/shared/weft.sh"

up() {
    weftd "$SWITCH" sw <<END
[[bridge]]
name = "lan"
$(host_port tap "$1" host-a "$OVER_A")
$(host_port tap "$2" host-b "$OVER_B")
END
}
