# shellcheck shell=bash
# tinc 1.0 as a router: layer 3 over TUN, one subnet per site.
MODE=router
DEVICE_TYPE=tun
. "$here/shared/tinc.sh"
