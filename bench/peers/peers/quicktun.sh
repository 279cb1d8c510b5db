# shellcheck shell=bash
# quicktun: layer 3 over TUN, NaCl box (Curve25519, XSalsa20-Poly1305) with
# timestamps against replay ("nacltai", its recommended protocol).
TOPOLOGY=encrypted
PACKAGES=quicktun
NEEDS="quicktun keypair"

up() {
    local a b
    a=$(keypair </dev/null 2>/dev/null)
    b=$(keypair </dev/null 2>/dev/null)
    site "$1" a "$(key SECRET "$a")" "$(key PUBLIC "$b")" "$UNDER_A" "$UNDER_B"
    site "$2" b "$(key SECRET "$b")" "$(key PUBLIC "$a")" "$UNDER_B" "$UNDER_A"
    address "$1" quick0
    address "$2" quick0
}

key() { awk -v which="$1:" '$1 == which { print $2 }' <<<"$2"; }

site() {    # NS NAME SECRET PEER_PUBLIC LOCAL REMOTE
    # Debian's quicktun takes its settings as ifupdown would pass them.
    IF_QT_PRIVATE_KEY=$3 IF_QT_PUBLIC_KEY=$4 \
        IF_QT_LOCAL_ADDRESS=$5 IF_QT_REMOTE_ADDRESS=$6 \
        IFACE=quick0 IF_QT_TUN_MODE=1 IF_QT_PROTOCOL=nacltai \
        daemon "$1" "quicktun-$2" quicktun
}
