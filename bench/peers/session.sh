#!/bin/bash
# session.sh PEER_FILE WORK_DIR
#
# Brings one peer up, says so on stdout, holds it up until stdin closes, and
# takes everything down again. Holding on to stdin means that namespaces, daemons
# and WORK_DIR go away even when the driver that started us was killed outright.
#
# The answer is one line:
#   READY END_A END_B SITE_A MTU   the test ends are these two namespaces; the A
#                                  side of the underlay is in the third
#   SKIP reason                    the peer cannot run on this machine
#   FAIL reason                    the peer should have run, and did not
set -Eeuo pipefail

here=$(cd "$(dirname "$0")" && pwd)
peer_file=$1
WORK=$2
. "$here/lib.sh"

answered=
answer() {
    answered=1
    echo "$*"
}

finish() {
    local status=$?
    trap - EXIT ERR
    trap '' INT TERM HUP
    set +e
    [ -n "$answered" ] || answer FAIL "stopped before it was up (status $status)"
    if declare -F down >/dev/null; then down; fi
    stop_daemons
    delete_namespaces
    read -r _               # the driver may still read logs
    [ -n "${PEERS_KEEP:-}" ] || rm -rf "$WORK"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP
trap 'answer FAIL "line $LINENO of ${BASH_SOURCE[0]##*/}: $BASH_COMMAND"' ERR

. "$peer_file"
read -ra commands <<<"$NEEDS"
require_commands "${commands[@]}"
make_topology "$TOPOLOGY"
END_A=$SITE_A
END_B=$SITE_B
up "$SITE_A" "$SITE_B"
trap - ERR
answer READY "$END_A" "$END_B" "$SITE_A" "$MTU"
read -r _ || true
