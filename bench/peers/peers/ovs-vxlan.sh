# shellcheck shell=bash
# Open vSwitch, userspace datapath, with its own VXLAN: per site one bridge that
# owns the underlay and one that owns the tunnel and the test end (a TAP device).
TOPOLOGY=plain
. "$here/shared/ovs.sh"

up() {
    site "$1" "$UNDER_A" "$UNDER_B"
    site "$2" "$UNDER_B" "$UNDER_A"
    address "$1" inner
    address "$2" inner
}

site() {    # NS LOCAL REMOTE
    ovs_start "$1"
    vsctl "$1" \
        add-br outer -- set bridge outer datapath_type=netdev \
        -- add-port outer under \
        -- add-br inner -- set bridge inner datapath_type=netdev \
        -- add-port inner vx0 -- set interface vx0 type=vxlan \
            options:key=77 options:remote_ip="$3" options:local_ip="$2"
    # The underlay address has to be on the bridge: OVS looks up its tunnels'
    # routes and neighbours there.
    wait_dev "$1" outer
    ip -n "$1" address flush dev under
    ip -n "$1" address add "$2/30" dev outer
    ip -n "$1" link set outer up
}
