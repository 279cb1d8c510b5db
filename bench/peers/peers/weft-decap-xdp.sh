# shellcheck shell=bash
# The same as weft-decap, with VXLAN taken off in the driver (XDP), so that the kernel merges TCP.
. "$here/peers/weft-decap.sh"
FAST_PATH=xdp
