# shellcheck shell=bash
# The kernel's own bridge between the machine itself and a host behind a veth cable.
TOPOLOGY=local
PACKAGES=iproute2
NEEDS=ip

up() {
    END_A=$SWITCH
    host_on_bridge "$2"
}

host_on_bridge() {      # HOST
    ip -n "$SWITCH" link add br0 up type bridge
    veth "$1" eth0 "$SWITCH" port1
    ip -n "$SWITCH" link set port1 master br0
    address "$SWITCH" br0
    address "$1" eth0
}
