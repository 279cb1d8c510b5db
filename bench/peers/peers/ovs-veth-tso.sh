# shellcheck shell=bash
# Open vSwitch as in ovs-veth, with its userspace TSO: packets of up to 64 KiB
# pass whole, with virtio headers, so the hosts keep their offloads.
TOPOLOGY=local
. "$here/shared/ovs.sh"

up() {
    veth "$1" eth0 "$SWITCH" port1
    veth "$2" eth0 "$SWITCH" port2
    ovs_start "$SWITCH" other_config:userspace-tso-enable=true
    vsctl "$SWITCH" add-br br0 -- set bridge br0 datapath_type=netdev \
        -- add-port br0 port1 -- add-port br0 port2
    address "$1" eth0
    address "$2" eth0
}
