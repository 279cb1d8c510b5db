#!/bin/bash
# Containers on a bridge by veth ports, as pairs that tc patches to weft's TAPs and as the TAPs that they fall back to: they have
# the name, addresses and MTU that were configured, reach each other, and leave nothing behind, even if weftd is killed.
#
# WEFT_RATE=1   measures a TCP stream as well, of each kind beside `type = "tap"`
. "$(dirname "$0")/lib.sh"
need tc

ns site-a c1 c2
head -c 3000000 /dev/urandom >"$work/payload"

# veths TYPE [LINE...]: the bridge and a port for each container.
veths() {
    local type=$1 number
    shift
    printf '[[bridge]]\nname = "lan"\n'
    for number in 1 2; do
        printf '[[port]]\nname = "c%s"\ntype = "%s"\nnetns = "%s"\nbridge = "lan"\nmtu = 1400\ndevice = "eth0"\n' "$number" "$type" "$(ns_name "c$number")"
        printf 'address = ["10.10.0.1%s/24", "fd00:10::1%s/64"]\n' "$number" "$number"
        printf '%s\n' "$@"
    done
}

devices() { on "$1" ip -o link show | sed 's/^[0-9]*: //; s/[@:].*//' | grep -vx lo | sort | tr '\n' ' '; }
no_devices() { [[ -z $(devices "$1") ]]; }
keepers() { ps -eo pid,ppid,comm | awk -v parent="${daemon[site-a]}" '$2 == parent && $3 == "weft-keeper" { print $1 }'; }

# works: what a container sees, and what it can do.
works() {
    local seen
    seen=$(on c1 ip -j -d address show eth0 | jq -r '.[0] | "\(.ifname) \(.mtu) \(.flags | contains(["UP", "LOWER_UP"]))
        \([.addr_info[] | select(.scope == "global") | "\(.local)/\(.prefixlen)\(if .tentative then " tentative" else "" end)"] | join(" "))"' | tr -s ' \n' ' ')
    [[ $seen == "eth0 1400 true 10.10.0.11/24 fd00:10::11/64 " ]] || fail "eth0 of c1: $seen"
    [[ $(mac_of c1 eth0) == "$(query site-a ports '.ports[] | select(.port == "c1") | .mac')" ]] || fail "eth0's MAC address is not what weft ports says"
    [[ $(query site-a ports '.ports[] | select(.port == "c1") | "\(.kind) \(.device)"') == "veth eth0" ]] || fail "weft ports: $(weft site-a ports)"
    on c1 ethtool -k eth0 | grep -q '^tcp-segmentation-offload: on' || fail "TSO is off"
    pings c1 10.10.0.12
    pings c2 fd00:10::11
    reaches c1 10.10.0.12 -M "do" -s 1372 || fail "a datagram that fills the MTU"
    tcp c1 c2 10.10.0.12
    tcp c2 c1 fd00:10::11
    file c1 c2 10.10.0.12 "$work/payload"
}

no_fast_path() { printf '[fastpath]\nmode = "off"\n'; }

say "without a fast path: a TAP in the namespace"
{ veths veth; no_fast_path; } | config site-a
start site-a
works
for port in c1 c2; do
    [[ $(grep -c "port $port: veth falls back to a tap in its namespace: there is no fast path: switched off by" "$work/site-a.log") -eq 1 ]] || fail "no line says why $port is no veth"
done
on c1 ip -d link show eth0 | grep -q 'tun type tap' || fail "eth0 is no TAP"
no_devices site-a || fail "devices in the daemon's namespace: $(devices site-a)"
mac=$(mac_of c1 eth0)
stop site-a
no_devices c1 || fail "left in c1: $(devices c1)"

say "patched by tc: a veth pair"
veths veth 'patch = "tc"' | config site-a
start site-a
if grep -q 'veth falls back to a tap' "$work/site-a.log" && ! grep -q 'is patched to' "$work/site-a.log"; then
    tail -n 3 "$work/site-a.log"
    skip "this kernel has no clsact, u32 or mirred"
fi
on c1 ip -d link show eth0 | grep -q 'veth' || fail "eth0 is no veth: $(on c1 ip -d link show eth0)"
[[ $(mac_of c1 eth0) == "$mac" ]] || fail "another MAC address than the TAP's"
[[ $(devices site-a) =~ ^(weftt[0-9a-f]{10}\ ){2}(weftv[0-9a-f]{10}\ ){2}$ ]] || fail "devices in the daemon's namespace: $(devices site-a)"
host_ends=$(on site-a ip -j link show type veth | jq -r '[.[] | "\(.mtu) \(.ifalias)"] | sort | join(", ")')
[[ $host_ends == "1400 weft site-a port c1, 1400 weft site-a port c2" ]] || fail "host ends: $host_ends"
! on site-a ip -6 -o address show | grep -qv ' lo ' || fail "addresses: $(on site-a ip -6 address show)"
works
[[ $(drops site-a no_buffer queue_full malformed truncated bad_checksum) -eq 0 ]] || fail "$(weft site-a drops)"

say "a VLAN tag passes as it is"
vlan_devices=()
for number in 1 2; do
    spawn "c$number" "$work/c$number.7.log" "$here/vlan_device.py" eth0 7
    vlan_devices+=("$last_spawned")
    wait_for "c$number's VLAN device" 5 on "c$number" ip link set eth0.7 up
    address "c$number" eth0.7 "10.7.0.$number/24"
done
wait_for "the other station of VLAN 7" 5 reaches c1 10.7.0.2
[[ $(query site-a fdb '[.stations[] | select(.vlan == 7)] | length') -eq 2 ]] || fail "no stations in VLAN 7: $(weft site-a fdb)"
kill "${vlan_devices[@]}"
for number in 1 2; do wait_for "the end of the VLAN device" 5 gone "${vlan_devices[$((number - 1))]}"; done

say "SIGTERM: nothing is left"
keeper=$(keepers)
[[ -n $keeper ]] || fail "there is no keeper"
grep -E '^(CapEff|CapPrm|CapBnd|NoNewPrivs|Seccomp):' "/proc/$keeper/status"
# DAC_OVERRIDE, NET_ADMIN, NET_RAW, SYS_PTRACE, SYS_ADMIN; SETGID and SETUID, to become the next weftd
for set in CapEff CapBnd; do
    [[ $(awk -v set="$set:" '$1 == set { print $2 }' "/proc/$keeper/status") == 00000000002830c2 ]] || fail "the keeper may do something else: $set"
done
kill -TERM "$keeper" # as a service manager does
stop site-a
for name in site-a c1 c2; do no_devices "$name" || fail "left in $name: $(devices "$name")"; done
gone "$keeper" || wait_for "the keeper's end" 5 gone "$keeper"

say "kill -9 of weftd: nothing is left"
start site-a
keeper=$(keepers)
crash site-a
for name in site-a c1 c2; do wait_for "nothing is left in $name" 5 no_devices "$name"; done

say "kill -9 of weftd and its keeper: the next start clears up"
start site-a
keeper=$(keepers)
kill -KILL "$keeper"
crash site-a
[[ $(on site-a ip -o link show type veth | wc -l) -eq 2 ]] || fail "the test needs leftovers: $(devices site-a)"
start site-a
works
stop site-a
for name in site-a c1 c2; do no_devices "$name" || fail "left in $name: $(devices "$name")"; done

say "the namespace goes first"
ns c3
veths veth 'patch = "tc"' | sed "s/$(ns_name c2)/$(ns_name c3)/" | config site-a
start site-a
ip netns delete "$(ns_name c3)"
unset 'namespaces[-1]'
wait_for "the host end is gone" 10 sh -c "[ \$(nsenter --net=/run/netns/$(ns_name site-a) ip -o link show type veth | wc -l) -eq 1 ]"
weft site-a status >/dev/null || fail "weftd does not answer any more"
stop site-a
no_devices site-a || fail "left: $(devices site-a)"

say "what cannot be says so, in one line, and leaves nothing"
refused() {
    local status=0
    on site-a timeout 20 "$WEFT_BIN/weftd" --config "$work/site-a.toml" >"$work/refused.txt" 2>&1 || status=$?
    cat "$work/refused.txt"
    [[ $status -eq 1 && $(grep -vc ' info ' "$work/refused.txt") -eq 1 ]] || fail "$1: exit status $status"
    grep -qE "$2" "$work/refused.txt" || fail "$1: nothing like '$2'"
    wait_for "nothing is left of it" 5 no_devices site-a
}
for patch in auto tc; do
    veths veth "patch = \"$patch\"" | sed "s/$(ns_name c2)/weft-nowhere/" | config site-a
    refused "no such namespace" 'no network namespace weft-nowhere .*: make it \(ip netns add weft-nowhere\)'
    veths veth "patch = \"$patch\"" | config site-a
    on c2 ip link add eth0 type veth peer name other0
    refused "a name that is taken" 'device eth0 exists already in namespace .*-c2: choose another name or delete it'
    on c2 ip link delete eth0
    no_devices c1 || fail "left in c1: $(devices c1)"
done
veths veth | sed '0,/^netns/{/^netns/d}' | config site-a
said=$("$WEFT_BIN/weft" check "$work/site-a.toml" 2>&1) && fail "a veth port without a namespace"
grep -q ':[0-9]*:[0-9]*: a veth port needs the namespace that its other end is for' <<<"$said" || fail "$said"

say "another weftd with a node of the same name leaves the first one's pairs alone"
veths veth 'patch = "tc"' | config site-a
start site-a
sed "s#site-a.sock#other.sock#; s#^state_dir.*#state_dir = \"$work/other\"#" "$work/site-a.toml" >"$work/other.toml"
printf '[underlay]\nesp = "0.0.0.0:4501"\n' >>"$work/other.toml"
on site-a timeout 20 "$WEFT_BIN/weftd" --config "$work/other.toml" >"$work/other.txt" 2>&1 && fail "a second node of the same name started"
cat "$work/other.txt"
pings c1 10.10.0.12
stop site-a

[[ -n ${WEFT_RATE-} ]] || exit 0
need iperf3
listens() { on c2 sh -c "grep -qi ':1451 .* 0A ' /proc/net/tcp /proc/net/tcp6"; }
for kind in tap veth tc fast; do
    case $kind in
        tap) veths tap ;;
        veth) veths veth; no_fast_path ;;
        fast) veths veth ;;
        tc) veths veth 'patch = "tc"' ;;
    esac | config site-a
    start site-a
    wait_for "the first ping" 5 reaches c1 10.10.0.12
    spawn c2 "$work/server.json" iperf3 --server --one-off --json
    wait_for "iperf3 listens" 10 listens
    on c1 iperf3 --client 10.10.0.12 --time 5 --json >"$work/client.json"
    echo "$kind: TCP $(jq -r '.end.sum_received.bits_per_second / 1e7 | round / 100' "$work/client.json") Gbit/s; ping $(on c1 ping -n -q -c 500 -i 0.002 10.10.0.12 | sed -n 's/^rtt //p')"
    stop site-a
done
