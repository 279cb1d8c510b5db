# shellcheck shell=bash
# weft as a switch between the machine itself, which has a TAP device, and a host with one end of a veth pair: established
# flows are the kernel's (fast path).
TOPOLOGY=local
. "$here/shared/weft.sh"

up() {
    END_A=$SWITCH
    host_on_switch "$2" "$OVER_A" "$OVER_B"
}

host_on_switch() {      # HOST OVER_OF_MACHINE OVER_OF_HOST
    weftd "$SWITCH" sw <<END
[fastpath]
mode = "tc"

[[bridge]]
name = "lan"

[[port]]
name = "machine"
type = "tap"
device = "weft0"
bridge = "lan"
address = ["$2/24"]
mtu = $MTU
$(host_port veth "$1" host "$3")
END
}
