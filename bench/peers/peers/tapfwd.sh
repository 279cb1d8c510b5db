# shellcheck shell=bash
# A bare read/write loop between two TAP devices (tools/tapfwd.c): the floor of
# what any TAP-based switch without offloads costs.
TOPOLOGY=local
PACKAGES="gcc libc6-dev"
NEEDS=cc

up() {
    cc -O2 -pthread -o "$WORK/tapfwd" "$here/tools/tapfwd.c"
    daemon "$SWITCH" tapfwd "$WORK/tapfwd" tap1 tap2
    move_dev "$SWITCH" tap1 "$1"
    move_dev "$SWITCH" tap2 "$2"
}
