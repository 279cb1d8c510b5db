# shellcheck shell=bash
# Open vSwitch, userspace datapath, veth cables read through AF_PACKET. It cannot
# take packets larger than the MTU nor unfinished checksums, so the hosts'
# offloads are off.
TOPOLOGY=local
. "$here/shared/ovs.sh"

up() {
    veth "$1" eth0 "$SWITCH" port1
    veth "$2" eth0 "$SWITCH" port2
    no_offload "$1" eth0
    no_offload "$2" eth0
    ovs_start "$SWITCH"
    vsctl "$SWITCH" add-br br0 -- set bridge br0 datapath_type=netdev \
        -- add-port br0 port1 -- add-port br0 port2
    address "$1" eth0
    address "$2" eth0
}
