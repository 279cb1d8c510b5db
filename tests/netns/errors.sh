#!/bin/bash
# What is wrong with a configuration gives FILE:LINE:COLUMN, what and how to cure it, and exit status 2; what cannot work at run
# time gives one line that names the object, and exit status 1. In both cases nothing is left behind.
. "$(dirname "$0")/lib.sh"
need ss setpriv

ns site-a host-a other
link site-a eth0 other eth0
address site-a eth0 192.0.2.1/24
key site-a site-b

good() {
    ports a 1
    peer site-b 2 'endpoint = "192.0.2.2:4500"'
}

# attempt COMMAND...: $said and $status of a command in site-a's namespace that must end by itself.
attempt() {
    status=0
    said=$(on site-a timeout 20 "$@" 2>&1 </dev/null) || status=$?
}

# expect WHAT STATUS PATTERN [LINES]: what the last attempt must have ended with; one line, if not said otherwise.
expect() {
    local what=$1 wanted=$2 pattern=$3 lines
    echo "$what:"
    printf '    %s\n' "$said"
    [[ $status -eq $wanted ]] || fail "$what: exit status $status, not $wanted"
    grep -qE "$pattern" <<<"$said" || fail "$what: says nothing like '$pattern'"
    lines=$(grep -vcE '\[(info|warning)\]| (info|warning): ' <<<"$said") || true
    [[ $lines -eq ${4-1} ]] || fail "$what: $lines lines, not ${4-1}"
}

nothing_left() {
    local left
    left=$(on host-a ip -j link show | jq -r '.[].ifname' | grep -vx lo || true)
    left+=$(on site-a ip -j link show | jq -r '.[].ifname' | grep -vxE 'lo|eth0' || true)
    [[ -z $left ]] || fail "$1: left the device $left"
    [[ ! -e $work/site-a.sock ]] || fail "$1: left the control socket"
    left=$(on site-a ss -Hlnu)
    [[ -z $left ]] || fail "$1: left the UDP socket $left"
}

weftd() { attempt "$WEFT_BIN/weftd" --config "$work/site-a.toml"; }

# refused WHAT STATUS PATTERN [LINES]: starts weftd with the configuration as it stands.
refused() {
    weftd
    expect "$@"
    nothing_left "$1"
}

at="$work/site-a\.toml:[0-9]+:[0-9]+: "

say "the configuration: exit status 2"
good | config site-a 'unknown = 1'
refused "an unknown key" 2 "${at}.*unknown"
good | sed 's/vni = 100/vni = "100"/' | config site-a
refused "a wrong type" 2 "${at}.*vni"
good | sed 's/vni = 100/vni = 16777216/' | config site-a
refused "a VNI over 2^24-1" 2 "${at}.*16777215"
good | sed 's/^public_key = .*/public_key = "AAAA"/' | config site-a
refused "a malformed key" 2 "${at}.*key"
good | sed 's/name = "weft0"/name = "lan0"/' | config site-a
refused "a duplicate name" 2 "${at}.*lan0"
good | sed 's/^bridge = "lan"/bridge = "lna"/' | config site-a
refused "a bridge that does not exist" 2 "${at}.*lna"
{ good; echo '[[port'; } | config site-a
refused "what is not TOML" 2 "${at}"

stranger=$("$WEFT_BIN/weft" genkey | "$WEFT_BIN/weft" pubkey)
{
    good
    printf '\n[[peer]]\nname = "site-c"\npublic_key = "%s"\nprefixes = ["10.20.2.128/25"]\n' "$stranger"
} | config site-a
refused "overlapping prefixes of two peers" 2 "${at}.*10\.20\.2\."

good | config site-a
mv "$work/site-a.key" "$work/away"
refused "a missing key file" 2 "${at}.*site-a\.key"
cp "$work/away" "$work/site-a.key"
chmod 644 "$work/site-a.key"
refused "a key file that others may read" 2 "${at}.*(chmod|others)"
chmod 600 "$work/site-a.key"

good | sed 's/vni = 100/vni = "100"/' | config site-a 'unknown = 1'
refused "two problems are told at once" 2 "${at}.*unknown" 2
attempt "$WEFT_BIN/weft" check "$work/site-a.toml"
expect "weft check says the same" 2 "${at}.*unknown" 2
attempt "$WEFT_BIN/weftd" --config "$work/nowhere.toml"
expect "no such file" 2 "nowhere\.toml"
good | config site-a
"$WEFT_BIN/weft" check "$work/site-a.toml" || fail "weft check refuses a good configuration"

say "run time: exit status 1"
good | sed 's/netns = .*/netns = "weft-nowhere"/' | config site-a
refused "a namespace that does not exist" 1 "weft-nowhere"
{ good; printf '[[port]]\nname = "nodev0"\ntype = "packet"\nbridge = "lan"\n'; } | config site-a
refused "a device that does not exist" 1 "nodev0"
{ printf '[underlay]\ndevice = "nodev1"\n'; good; } | config site-a
refused "an underlay device that does not exist" 1 "nodev1"
{ printf '[underlay]\nesp = "192.0.2.99:4500"\n'; good; } | config site-a
refused "an address that is not here" 1 "192\.0\.2\.99"
good | config site-a
sed -i "s|^control = .*|control = \"$work/no/such/folder/site-a.sock\"|" "$work/site-a.toml"
refused "a control socket where no folder is" 1 "no/such/folder"

good | config site-a
spawn site-a "$work/holder.txt" "$here/hold.py" 4500
holder=$last_spawned
wait_for "the holder of the port" 10 grep -q bound "$work/holder.txt"
weftd
expect "an address that is in use" 1 '4500.*in use|in use.*4500'
kill "$holder"
wait_for "the holder's end" 10 gone "$holder"
nothing_left "an address that is in use"

{ printf '[underlay]\nvxlan = "0.0.0.0:4790"\n'; good; printf '[[peer]]\nname = "plain"\nencryption = "none"\nendpoint = "192.0.2.9:4789"\nbridges = ["lan"]\n'; } |
    config site-a
spawn site-a "$work/vxlan-holder.txt" "$here/hold.py" 4790
holder=$last_spawned
wait_for "the holder of the port" 10 grep -q bound "$work/vxlan-holder.txt"
weftd
expect "a VXLAN port that is in use" 1 '4790.*in use|in use.*4790'
kill "$holder"
wait_for "the holder's end" 10 gone "$holder"
nothing_left "a VXLAN port that is in use"

good | config site-a
on host-a ip link add lan0 type veth peer name lan1
weftd
expect "a device that exists already" 1 'lan0'
on host-a ip link show lan1 >/dev/null || fail "a device that is not weft's was removed"
on host-a ip link delete lan0
nothing_left "a device that exists already"

# What may not be done, as root without the capability, and as somebody (with a folder, a key and a weftd of his own).
good | config site-a
attempt setpriv --bounding-set=-net_admin --inh-caps=-all "$WEFT_BIN/weftd" --config "$work/site-a.toml"
expect "no permission to make a device" 1 'lan0.*CAP_NET_ADMIN'
nothing_left "no permission to make a device"
somebody=65534
mine=$work/somebody
mkdir "$mine"
cp "$WEFT_BIN/weftd" "$work/site-a.key" "$mine/"
good | sed '/^netns/d' | config site-a
sed -e "s|$work/|$mine/|; s|\"$work\"|\"$mine\"|" "$work/site-a.toml" >"$mine/site-a.toml"
chown -R "$somebody:$somebody" "$mine"
chmod 711 "$work"
as_somebody() { attempt setpriv --reuid=$somebody --regid=$somebody --clear-groups "$mine/weftd" --config "$mine/site-a.toml"; }
as_somebody
expect "an ordinary user" 1 '(/dev/net/tun|lan0).*(root|CAP_NET_ADMIN)'
nothing_left "an ordinary user"
if unshare --mount true 2>/dev/null; then
    # A device node that one may not open: bound over the real one in a mount namespace, so that the machine's own stays as it is.
    mknod -m 600 "$work/tun" c 10 200
    attempt unshare --mount sh -c "mount --bind '$work/tun' /dev/net/tun &&
        exec setpriv --reuid=$somebody --regid=$somebody --clear-groups '$mine/weftd' --config '$mine/site-a.toml'"
    expect "no permission for /dev/net/tun" 1 '/dev/net/tun.*Permission denied'
    nothing_left "no permission for /dev/net/tun"
fi
chmod 700 "$work"

say "a second daemon leaves the first one alone"
good | config site-a
start site-a
weftd
expect "a control socket that is in use" 1 'site-a\.sock|4500|lan0'
weft site-a status >/dev/null || fail "the first daemon does not answer any more"
on host-a ip link show lan0 >/dev/null || fail "the first daemon's device is gone"

say "the socket that a crash left is no obstacle"
crash site-a
start site-a

say "the client"
attempt "$WEFT_BIN/weft" --control "$work/nowhere.sock" status
expect "no daemon" 1 "nowhere\.sock"
attempt "$WEFT_BIN/weft" pubkey
expect "no key on standard input" 2 "key"
attempt "$WEFT_BIN/weft" nonsense
[[ $status -eq 2 ]] || fail "wrong usage: exit status $status, not 2"
attempt "$WEFT_BIN/weftd"
[[ $status -eq 2 ]] || fail "weftd without --config: exit status $status, not 2"
