# shellcheck shell=bash
# fastd over TAP, shared by the fastd peers, which set METHOD.
PACKAGES="fastd"
NEEDS="fastd"

up() {
    local key_a key_b
    key_a=$(fastd --generate-key --machine-readable)
    key_b=$(fastd --generate-key --machine-readable)
    site "$1" a "$key_a" "$key_b" "$UNDER_A" "$UNDER_B"
    site "$2" b "$key_b" "$key_a" "$UNDER_B" "$UNDER_A"
}

site() {    # NS NAME KEY PEER_KEY LOCAL REMOTE
    cat >"$WORK/fastd-$2.conf" <<END
mode tap;
interface "fastd0";
mtu $MTU;
method "$METHOD";
bind $5:10000;
secret "$3";
peer "other" {
    key "$(fastd --show-key --machine-readable -c - <<<"secret \"$4\";")";
    remote $6:10000;
}
END
    daemon "$1" "fastd-$2" fastd -c "$WORK/fastd-$2.conf"
    address "$1" fastd0
}
