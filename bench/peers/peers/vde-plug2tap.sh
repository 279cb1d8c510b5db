# shellcheck shell=bash
# VDE2's switch with one vde_plug2tap per host: TAP <-> Unix socket <-> switch.
TOPOLOGY=local
PACKAGES=vde2
NEEDS="vde_switch vde_plug2tap"

up() {
    daemon "$SWITCH" vde_switch vde_switch -s "$WORK/switch" -M "$WORK/mgmt"
    wait_for 5 "switch socket" test -S "$WORK/switch/ctl"
    daemon "$1" plug_a vde_plug2tap -s "$WORK/switch" eth0
    daemon "$2" plug_b vde_plug2tap -s "$WORK/switch" eth0
    address "$1" eth0
    address "$2" eth0
}
