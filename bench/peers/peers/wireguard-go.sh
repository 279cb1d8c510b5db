# shellcheck shell=bash
# wireguard-go: WireGuard in userspace, ChaCha20-Poly1305, layer 3.
TOPOLOGY=encrypted
PACKAGES="wireguard-go wireguard-tools"
PROGRAM=${PEER_PROGRAM:-wireguard-go}
NEEDS="$PROGRAM wg"

up() {
    local key_a key_b
    key_a=$(wg genkey)
    key_b=$(wg genkey)
    site "$1" "weft$$-a" "$key_a" "$(wg pubkey <<<"$key_b")" "$OVER_B" "$UNDER_B"
    site "$2" "weft$$-b" "$key_b" "$(wg pubkey <<<"$key_a")" "$OVER_A" "$UNDER_A"
}

site() {    # NS DEV KEY PEER_PUBLIC PEER_OVER PEER_UNDER
    # -f: in the foreground. Its control socket is named after the device and is
    # the machine's, so the device's name is unique; and one left over from a
    # killed run would look as if it were ready.
    rm -f "/run/wireguard/$2.sock"
    daemon "$1" "$2" "$PROGRAM" -f "$2"
    wait_for 10 "control socket of $2" test -S "/run/wireguard/$2.sock"
    in_ns "$1" wg set "$2" private-key <(echo "$3") listen-port 51820 \
        peer "$4" allowed-ips "$5/32" endpoint "$6:51820"
    address "$1" "$2"
}
