#!/bin/bash
# What was sent arrives, byte by byte, with every combination of the offload switches at both sites, over the bridge and over
# the TUN; and the switches do what they say.
#
# WEFT_OFFLOAD_BYTES   size of the file that is transferred (default: 4 MB)
. "$(dirname "$0")/lib.sh"
head -c "${WEFT_OFFLOAD_BYTES-4000000}" /dev/urandom >"$work/file"

underlay
key site-a site-b

# received HOST DEVICE: bytes a packet that the host's kernel got from the device.
# shellcheck disable=SC2016  # awk's
received() { on "$1" awk -v device="$2:" '$1 == device { print int($2 / $3) }' /proc/net/dev; }

# sites SWITCHES: both with these, until they reach each other.
sites() {
    { ports a 1; peer site-b 2 'endpoint = "203.0.113.2:4500"' "$1"; } | config site-a
    { ports b 2; peer site-a 1 "$1"; } | config site-b
    start site-a site-b
    wait_for "the sites' first ping" 15 reaches host-a 10.10.0.12
}

for tun_gso in true false; do for tun_gro in true false; do
for udp_gso in true false; do for udp_gro in true false; do
    say "tun_gso $tun_gso, tun_gro $tun_gro, udp_gso $udp_gso, udp_gro $udp_gro"
    sites "
[offload]
tun_gso = $tun_gso
tun_gro = $tun_gro
udp_gso = $udp_gso
udp_gro = $udp_gro"
    file host-a host-b 10.10.0.12 "$work/file"
    file host-b host-a fd00:10::11 "$work/file"
    file host-a host-b 10.20.2.1 "$work/file"
    mean=$(received host-b lan0)
    echo "host-b got $mean bytes a packet on lan0"
    if [[ $tun_gro == true ]]; then
        ((mean > 1500)) || fail "tun_gro joins nothing"
    else
        ((mean < 1500)) || fail "super-frames without tun_gro"
    fi
    stop site-a site-b
done; done
done; done
