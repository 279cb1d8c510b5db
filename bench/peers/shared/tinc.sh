# shellcheck shell=bash
# tinc 1.0, shared by the tinc peers, which set MODE and DEVICE_TYPE. Its default
# cipher and digest: AES-256-CBC with HMAC-SHA256 cut to 4 bytes (1.0 has no GCM).
TOPOLOGY=encrypted
PACKAGES="tinc openssl"
NEEDS="tincd openssl"

up() {
    mkdir -p "$WORK"/tinc-{a,b}/hosts
    host a "$UNDER_A" "$OVER_A"
    host b "$UNDER_B" "$OVER_B"
    cp "$WORK/tinc-a/hosts/a" "$WORK/tinc-b/hosts/a"
    cp "$WORK/tinc-b/hosts/b" "$WORK/tinc-a/hosts/b"
    site "$2" b
    site "$1" a "ConnectTo = b"
    address "$1" tinc0
    address "$2" tinc0
}

host() {    # NAME LOCAL OVER: the host's key pair and its description
    local dir=$WORK/tinc-$1
    openssl genrsa -traditional -out "$dir/rsa_key.priv" 2048 2>/dev/null
    {
        echo "Address = $2"
        echo "Subnet = $3/32"
        openssl rsa -in "$dir/rsa_key.priv" -RSAPublicKey_out 2>/dev/null
    } >"$dir/hosts/$1"
}

site() {    # NS NAME [LINE]
    cat >"$WORK/tinc-$2/tinc.conf" <<END
Name = $2
Mode = $MODE
DeviceType = $DEVICE_TYPE
Interface = tinc0
AddressFamily = ipv4
${3:-}
END
    daemon "$1" "tinc-$2" tincd -D -c "$WORK/tinc-$2" \
        --pidfile="$WORK/tinc-$2/pid"
}
