# shellcheck shell=bash
# fastd, layer 2, with the first of its recommended methods.
TOPOLOGY=encrypted
METHOD=salsa2012+umac
. "$here/shared/fastd.sh"
