# shellcheck shell=bash
# weft as a switch between two hosts, which each get one end of a veth pair: established flows are the kernel's (fast path).
TOPOLOGY=local
. "$here/shared/weft.sh"

up() {
    weftd "$SWITCH" sw <<END
[fastpath]
mode = "tc"

[[bridge]]
name = "lan"
$(port "$1" host-a "$OVER_A")
$(port "$2" host-b "$OVER_B")
END
}

port() {    # NS NAME OVER
    cat <<END

[[port]]
name = "$2"
type = "veth"
device = "eth0"
netns = "$1"
bridge = "lan"
address = ["$3/24"]
mtu = $MTU
END
}
