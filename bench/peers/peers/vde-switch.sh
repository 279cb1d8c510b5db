# shellcheck shell=bash
# VDE2's switch with both hosts' TAP devices opened by the switch itself.
TOPOLOGY=local
PACKAGES=vde2
NEEDS=vde_switch

up() {
    daemon "$SWITCH" vde_switch vde_switch -s "$WORK/switch" -M "$WORK/mgmt" \
        -tap tap1 -tap tap2
    move_dev "$SWITCH" tap1 "$1"
    move_dev "$SWITCH" tap2 "$2"
}
