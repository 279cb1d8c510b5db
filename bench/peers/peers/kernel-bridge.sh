# shellcheck shell=bash
# The kernel's own bridge, two veth cables, all offloads on: packets of up to
# 64 KiB cross it whole, so its TCP numbers are a ceiling, not a like-for-like.
TOPOLOGY=local
PACKAGES=iproute2
NEEDS=ip

up() {
    ip -n "$SWITCH" link add br0 up type bridge
    veth "$1" eth0 "$SWITCH" port1
    veth "$2" eth0 "$SWITCH" port2
    ip -n "$SWITCH" link set port1 master br0
    ip -n "$SWITCH" link set port2 master br0
    address "$1" eth0
    address "$2" eth0
}
