# shellcheck shell=bash
# weft: routed over TUN, ESP with AES-GCM or ChaCha20-Poly1305, keys from handshakes.
TOPOLOGY=encrypted
. "$here/shared/weft.sh"

up() {
    make_keys a b
    site "$1" a b "$OVER_A" "$OVER_B" "$UNDER_B"
    site "$2" b a "$OVER_B" "$OVER_A" "$UNDER_A"
}

site() {    # NS NAME PEER OVER PEER_OVER PEER_UNDER
    weftd "$1" "$2" <<END
[[port]]
name = "weft0"
type = "tun"
address = ["$4/24"]
mtu = $MTU

[[peer]]
name = "$3"
public_key = "$(cat "$WORK/$3.pub")"
endpoint = "$6:4500"
prefixes = ["$5/32"]
END
}
