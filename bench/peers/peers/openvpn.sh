# shellcheck shell=bash
# OpenVPN 2.6 in userspace: TUN, UDP, TLS keys, AES-256-GCM, no kernel offload.
TOPOLOGY=encrypted
PACKAGES="openvpn openssl"
NEEDS="openvpn openssl"

up() {
    make_certificates
    site "$1" a "$UNDER_A" "$UNDER_B" "$OVER_A" "$OVER_B" --tls-server --dh none
    site "$2" b "$UNDER_B" "$UNDER_A" "$OVER_B" "$OVER_A" --tls-client
    wait_dev "$1" ovpn0
    wait_dev "$2" ovpn0
}

# Two self-signed certificates, each site trusting the other's.
make_certificates() {
    local name
    for name in a b; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
            -days 2 -subj "/CN=$name" -keyout "$WORK/$name.key" \
            -out "$WORK/$name.crt" 2>/dev/null
    done
    cat "$WORK"/{a,b}.crt >"$WORK/both.crt"
}

site() {    # NS NAME LOCAL REMOTE OVER PEER_OVER OPTION...
    local ns=$1 name=$2
    daemon "$ns" "openvpn-$name" openvpn --dev ovpn0 --dev-type tun \
        --local "$3" --remote "$4" --ifconfig "$5" "$6" --proto udp \
        --tun-mtu "$MTU" --data-ciphers AES-256-GCM --disable-dco \
        --ca "$WORK/both.crt" --cert "$WORK/$name.crt" --key "$WORK/$name.key" \
        "${@:7}"
}
