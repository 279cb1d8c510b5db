# shellcheck shell=bash
# The kernel's bridge with the hosts' offloads off: real frames of at most 1500
# bytes, what a switch between TAP devices without offloads has to carry too.
. "$here/peers/kernel-bridge.sh"
eval "bridge_$(declare -f up)"

up() {
    bridge_up "$@"
    no_offload "$1" eth0
    no_offload "$2" eth0
}
