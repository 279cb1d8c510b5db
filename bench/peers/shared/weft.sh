# shellcheck shell=bash
# weft, shared by the weft peers: keys, and a weftd for a site or for the switch.
PROGRAM=${PEER_PROGRAM:-${WEFTD:-$(cd "$here/../.." && pwd)/build/release/bin/weftd}}
WEFT=${PROGRAM%/*}/weft
PACKAGES=
NEEDS="$PROGRAM $WEFT"
CURE=": scripts/build makes it, or WEFTD names another"
ESP_BRIDGED_MTU=1408    # what VXLAN in ESP leaves of an underlay's 1500

# make_keys NAME...: $WORK/NAME.key and $WORK/NAME.pub
make_keys() {
    local name
    for name in "$@"; do
        (umask 077 && "$WEFT" genkey >"$WORK/$name.key")
        "$WEFT" pubkey <"$WORK/$name.key" >"$WORK/$name.pub"
    done
}

# weftd NS NAME < SECTIONS: a node of that name, with these sections behind [node].
weftd() {
    {
        echo "[node]"
        echo "name = \"$2\""
        echo "control = \"$WORK/$2.sock\""
        echo "state_dir = \"$WORK\""
        if [ -e "$WORK/$2.key" ]; then
            echo "private_key_file = \"$WORK/$2.key\""
        fi
        echo "busy_poll = \"${BUSY_POLL:-0us}\""
        cat
    } >"$WORK/$2.toml"
    daemon "$1" "weftd-$2" "$PROGRAM" --config "$WORK/$2.toml"
    wait_for 10 "control socket of node $2" test -S "$WORK/$2.sock"
}

# weft0_on_bridge OVER: this site's end, a TAP device on a bridge that is stretched.
weft0_on_bridge() {
    cat <<END
[[bridge]]
name = "lan"
vni = 77

[[port]]
name = "weft0"
type = "tap"
bridge = "lan"
address = ["$1/24"]
mtu = $MTU

END
}

# host_port TYPE NS NAME OVER: a host's end, a device of that type on the bridge.
host_port() {
    cat <<END

[[port]]
name = "$3"
type = "$1"
device = "eth0"
netns = "$2"
bridge = "lan"
address = ["$4/24"]
mtu = $MTU
END
}
