# shellcheck shell=bash
# weft as in weft, but its workers look for more packets for 100 us before they sleep (busy_poll).
BUSY_POLL=100us
. "$here/peers/weft.sh"
