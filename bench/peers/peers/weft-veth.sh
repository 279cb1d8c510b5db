# shellcheck shell=bash
# weft as a switch between two hosts, which each get one end of a veth pair: established flows are the kernel's (fast path).
TOPOLOGY=local
. "$here/shared/weft.sh"

up() {
    weftd "$SWITCH" sw <<END
[fastpath]
mode = "${FAST_PATH:-tc}"

[[bridge]]
name = "lan"
$(host_port veth "$1" host-a "$OVER_A")
$(host_port veth "$2" host-b "$OVER_B")
END
}
