# shellcheck shell=bash
# Open vSwitch's userspace datapath, shared by the OVS peers. One ovsdb-server
# and one ovs-vswitchd per namespace, all their files in $WORK, no service.
PACKAGES=openvswitch-switch
NEEDS="ovs-vswitchd ovsdb-server ovsdb-tool ovs-vsctl"
SCHEMA=/usr/share/openvswitch/vswitch.ovsschema

ovs_start() {   # NS [SETTING]
    local dir=$WORK/ovs-$1
    mkdir "$dir"
    ovsdb-tool create "$dir/conf.db" "$SCHEMA"
    daemon "$1" "ovsdb-$1" ovsdb-server "$dir/conf.db" \
        --remote="punix:$dir/db.sock" --unixctl="$dir/ovsdb.ctl"
    wait_for 10 "socket of ovsdb-server" test -S "$dir/db.sock"
    vsctl "$1" --no-wait init ${2:+-- set open_vswitch . "$2"}
    daemon "$1" "vswitchd-$1" env OVS_RUNDIR="$dir" \
        ovs-vswitchd "unix:$dir/db.sock" --unixctl="$dir/vswitchd.ctl"
}

vsctl() {       # NS ARGUMENT...
    local ns=$1
    shift
    ovs-vsctl --db="unix:$WORK/ovs-$ns/db.sock" --timeout=10 "$@"
}
