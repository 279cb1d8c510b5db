# shellcheck shell=bash
# Open vSwitch, userspace datapath, one TAP device per host.
TOPOLOGY=local
. "$here/shared/ovs.sh"

up() {
    ovs_start "$SWITCH"
    vsctl "$SWITCH" add-br br0 -- set bridge br0 datapath_type=netdev \
        -- add-port br0 tap1 -- set interface tap1 type=tap \
        -- add-port br0 tap2 -- set interface tap2 type=tap
    move_dev "$SWITCH" tap1 "$1"
    move_dev "$SWITCH" tap2 "$2"
}
