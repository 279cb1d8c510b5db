# shellcheck shell=bash
# lib.sh - what a peer file can use. Sourced by session.sh, never run.
#
# The three topologies, all in network namespaces of their own, whose names begin
# with weft-peers- and the process id of the session:
#
#   local       a and b are two hosts; the switch lives in sw and has to give each
#               host an interface.
#   plain       a and b are two sites, joined by the underlay: a veth pair named
#   encrypted   "under", MTU 1500. The peer builds a tunnel over it; the
#               measurements run between its two inner ends.

PREFIX=weft-peers-$$
SITE_A=$PREFIX-a
SITE_B=$PREFIX-b
SWITCH=$PREFIX-sw
UNDER_A=192.0.2.1       # a site's address on the underlay
UNDER_B=192.0.2.2
OVER_A=10.77.0.1        # a site's address inside the peer's network
OVER_B=10.77.0.2
MTU=                    # inner MTU; a peer file may set it, see make_topology
NEEDS=
CURE=                   # for what is needed and not there
PROGRAM=                # set by a peer file that has another program take its place:
                        # PROGRAM=${PEER_PROGRAM:-its usual one}

# ---- giving up -------------------------------------------------------------

skip() { answer SKIP "$*"; exit 0; }
fail() { answer FAIL "$*"; exit 1; }

require_commands() {
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null || skip "$command is not installed$CURE"
    done
}

# ---- namespaces ------------------------------------------------------------

in_ns() { ip netns exec "$@"; }

# new_ns NAME: a namespace that goes away with the session.
new_ns() {
    local ns=$1
    echo "$ns" >>"$WORK/namespaces"
    ip netns add "$ns"
    # No IPv6 chatter; and TCP buffers as the kernel has them by default, whatever
    # the machine is set to.
    in_ns "$ns" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 \
        net.ipv6.conf.default.disable_ipv6=1 \
        net.ipv4.tcp_rmem="4096 131072 6291456" \
        net.ipv4.tcp_wmem="4096 16384 4194304"
    ip -n "$ns" link set lo up
}

# Also ends whatever still runs in them: a daemon's stray children, or the test
# programs of a driver that was killed.
delete_namespaces() {
    local ns pid
    [ -e "$WORK/namespaces" ] || return 0
    while read -r ns; do
        ip netns pids "$ns" 2>/dev/null | while read -r pid; do
            kill -KILL "$pid" 2>/dev/null
        done
        ip netns del "$ns" 2>/dev/null
    done <"$WORK/namespaces"
}

# veth NS DEV NS DEV: a cable between two namespaces, both ends up.
veth() {
    ip -n "$1" link add "$2" type veth peer name "$4" netns "$3"
    ip -n "$1" link set "$2" up
    ip -n "$3" link set "$4" up
}

# no_offload NS DEV: only real frames, with real checksums, leave this device.
no_offload() {
    in_ns "$1" ethtool -K "$2" tso off gso off gro off tx off >/dev/null
}

make_topology() {
    new_ns "$SITE_A"
    new_ns "$SITE_B"
    case $1 in
    local)
        new_ns "$SWITCH"
        : "${MTU:=1500}"
        ;;
    plain|encrypted)
        veth "$SITE_A" under "$SITE_B" under
        ip -n "$SITE_A" address add "$UNDER_A/30" dev under
        ip -n "$SITE_B" address add "$UNDER_B/30" dev under
        if [ "${PEERS_UNDERLAY:-wire}" = wire ]; then
            like_a_wire "$SITE_A"
            like_a_wire "$SITE_B"
        fi
        # One inner MTU for all, so that a peer gains nothing by larger packets.
        : "${MTU:=1420}"
        ;;
    *)  fail "unknown topology $1" ;;
    esac
}

# A veth pair passes 64 KiB packets whole, which no wire does. Without any kind of
# segmentation offload the sender cuts them to frames of at most 1500 bytes, and
# with GRO the receiver may join them again, as with a real network card.
like_a_wire() {
    in_ns "$1" ethtool -K under gro on tso off gso off tx-udp-segmentation off \
        tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off >/dev/null
}

# ---- interfaces ------------------------------------------------------------

# wait_for SECONDS WHAT COMMAND...: poll COMMAND until it succeeds.
wait_for() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || fail "no $what in time"
        check_daemons "no $what"
        sleep 0.1
    done
}

wait_dev() { wait_for 10 "device $2 in $1" ip -n "$1" link show dev "$2"; }

over_address() {
    if [ "$1" = "$SITE_A" ] || [ "$1" = "$END_A" ]; then
        echo "$OVER_A"
    else
        echo "$OVER_B"
    fi
}

# address NS DEV: wait for DEV, give it the site's inner address and the MTU, up.
address() {
    wait_dev "$1" "$2"
    ip -n "$1" link set "$2" mtu "$MTU" up
    ip -n "$1" address replace "$(over_address "$1")/24" dev "$2"
}

# move_dev FROM_NS DEV NS: hand a device (say, a TAP whose other half a daemon
# in FROM_NS holds open) to NS and address it there.
move_dev() {
    wait_dev "$1" "$2"
    ip -n "$1" link set "$2" netns "$3"
    address "$3" "$2"
}

# ---- daemons ---------------------------------------------------------------

# daemon NS NAME COMMAND...: start COMMAND (which must stay in the foreground)
# in NS. Its output goes to $WORK/NAME.log, its CPU time and memory count as the
# peer's, and it is stopped when the session ends. Its stdin never has anything
# to read, nor an end (vde_switch exits at the end of its stdin).
daemon() {
    local ns=$1 name=$2
    shift 2
    [ -p "$WORK/silence" ] || mkfifo "$WORK/silence"
    setsid ip netns exec "$ns" "$@" >"$WORK/$name.log" 2>&1 <>"$WORK/silence" &
    echo "$! $name" >>"$WORK/daemons"
}

check_daemons() {   # WHAT_IF_NOT
    local pid name
    [ -e "$WORK/daemons" ] || return 0
    while read -r pid name; do
        kill -0 "$pid" 2>/dev/null || fail "$1: $name has ended"
    done <"$WORK/daemons"
}

stop_daemons() {
    local pid name tries
    [ -e "$WORK/daemons" ] || return 0
    while read -r pid name; do
        kill -TERM -- "-$pid" 2>/dev/null       # each leads its own session
    done <"$WORK/daemons"
    while read -r pid name; do
        for tries in {1..20}; do
            kill -0 -- "-$pid" 2>/dev/null || continue 2
            sleep 0.1
        done
        kill -KILL -- "-$pid" 2>/dev/null
    done <"$WORK/daemons"
    wait
}
