# shellcheck shell=bash
# The sending site is a machine with weft's TUN device, routed onto a bridge that is stretched to the kernel's VXLAN and bridge:
# what a hop, Ethernet and VXLAN cost when the fast path puts them on.
. "$here/peers/kernel-vxlan-bridge.sh"
. "$here/shared/weft.sh"

up() {
    END_B=$PREFIX-hb
    weftd "$1" a <<END
[underlay]
vxlan = "$UNDER_A:4789"

[fastpath]
mode = "tc"

[[bridge]]
name = "lan"
vni = 77
gateway = ["$GATEWAY/24"]

[[port]]
name = "weft0"
type = "tun"
address = ["$MACHINE/32"]
mtu = $MTU

[[peer]]
name = "b"
encryption = "none"
endpoint = "$UNDER_B:4789"
bridges = ["lan"]
END
    site "$2" "$END_B" "$UNDER_B" "$UNDER_A"
    ip -n "$END_B" route add "$MACHINE" via "$GATEWAY"
}

GATEWAY=10.77.0.254
MACHINE=10.78.0.1
