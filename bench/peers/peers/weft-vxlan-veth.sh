# shellcheck shell=bash
# weft at both sites, a host with a veth behind each, plain VXLAN: established flows are the kernel's (fast path).
. "$here/peers/kernel-vxlan-bridge.sh"
. "$here/shared/weft.sh"

up() {
    END_A=$PREFIX-ha
    END_B=$PREFIX-hb
    new_ns "$END_A"
    new_ns "$END_B"
    weft_site "$1" a b "$END_A" "$OVER_A" "$UNDER_B"
    weft_site "$2" b a "$END_B" "$OVER_B" "$UNDER_A"
}

weft_site() {    # NS NAME PEER HOST_NS OVER PEER_UNDER
    weftd "$1" "$2" <<END
[fastpath]
mode = "${FAST_PATH:-tc}"

[[bridge]]
name = "lan"
vni = 77
$(host_port veth "$4" "host-$2" "$5")

[[peer]]
name = "$3"
endpoint = "$6:4789"
encryption = "none"
bridges = ["lan"]
END
}
