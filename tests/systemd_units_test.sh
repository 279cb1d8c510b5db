#!/bin/bash
# systemd-analyze has nothing to say about the units, alone and with the drop-ins of special ports, and rates the exposure of a
# plain one at 2.0 or less. They name /usr/bin/weftd, which need not be installed here: a stand-in takes its place in a copy.
set -euo pipefail
root=${1:-$(dirname "$0")/..}

if ! command -v systemd-analyze >/dev/null; then
    echo "SKIPPED: systemd-analyze is not here (package systemd)"
    exit 77
fi
copies=$(mktemp -d)
trap 'rm -rf "$copies"' EXIT

status=0
for unit in "$root"/systemd/*.service; do
    name=$(basename "$unit")
    sed 's#/usr/bin/weftd#/bin/true#' "$unit" >"$copies/$name"
    grep -q '^ExecStart=/bin/true --config ' "$copies/$name" || { echo "$name: does not start /usr/bin/weftd"; status=1; }
    [[ $name != *@* ]] || mv "$copies/$name" "$copies/${name/@./@site-a.}"
    said=$(systemd-analyze verify "$copies/${name/@./@site-a.}" 2>&1) || status=1
    [[ -z $said ]] || { echo "$name:"; echo "$said"; status=1; }
    echo "$name verified"
    # "→ Overall exposure level for weftd.service: 1.8 OK"
    exposure=$(systemd-analyze security --offline=true "$copies/${name/@./@site-a.}" 2>&1 | sed -n 's/.*exposure level for [^:]*: *\([0-9.]*\) .*/\1/p')
    awk -v exposure="$exposure" 'BEGIN { exit !(exposure != "" && exposure + 0 <= 2.0) }' \
        || { echo "$name: exposure '$exposure', more than 2.0"; status=1; }
    echo "$name: exposure $exposure"
done

# Each drop-in in its folder: systemd-analyze reads it with the unit.
mkdir "$copies/weftd.service.d"
cp "$root"/systemd/{packet,netns,fastpath,masquerade}.conf "$copies/weftd.service.d"
said=$(systemd-analyze verify "$copies/weftd.service" 2>&1) || status=1
[[ -z $said ]] || { echo "with drop-ins:"; echo "$said"; status=1; }
effective=$(systemd-analyze security --offline=true "$copies/weftd.service" 2>&1)
grep -q '✗.*CapabilityBoundingSet=~CAP_SYS_ADMIN' <<<"$effective" || { echo "netns.conf was not read, or adds nothing"; status=1; }
grep -q '✗.*RestrictAddressFamilies=~AF_PACKET' <<<"$effective" || { echo "packet.conf was not read, or adds nothing"; status=1; }
grep -q '✗.*ProtectKernelTunables=' <<<"$effective" || { echo "masquerade.conf was not read, or adds nothing"; status=1; }
exit "$status"
