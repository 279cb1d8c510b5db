# shellcheck shell=bash
# The kernel's VXLAN device as a port of a bridge, with a host behind each site:
# host -- veth -- bridge -- VXLAN -- underlay. What a layer 2 site gateway does.
. "$here/peers/kernel-vxlan.sh"

up() {
    END_A=$PREFIX-ha
    END_B=$PREFIX-hb
    site "$1" "$END_A" "$UNDER_A" "$UNDER_B"
    site "$2" "$END_B" "$UNDER_B" "$UNDER_A"
}

site() {    # NS HOST_NS LOCAL REMOTE
    new_ns "$2"
    veth "$2" eth0 "$1" port1
    vxlan "$1" "$3" "$4"
    ip -n "$1" link add br0 up type bridge
    ip -n "$1" link set vx0 mtu "$MTU" up master br0
    ip -n "$1" link set port1 mtu "$MTU" master br0
    address "$2" eth0
}
