# shellcheck shell=bash
# fastd with the method null: no encryption, no authentication of the payload.
TOPOLOGY=plain
METHOD=null
. "$here/shared/fastd.sh"
