# shellcheck shell=bash
# The same as weft-veth, with the fast path off: every packet goes through weftd.
. "$here/peers/weft-veth.sh"
FAST_PATH=off
