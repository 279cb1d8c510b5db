# shellcheck shell=bash
# tinc 1.0 as a switch: layer 2 over TAP, learns MAC addresses.
MODE=switch
DEVICE_TYPE=tap
. "$here/shared/tinc.sh"
