#!/bin/bash
# Containers on a bridge of a real weftd by its CNI plugin: they reach one another and the gateway, CHECK sees when they do not,
# a restart of weftd changes nothing for them, and DEL and GC leave nothing. What the plugin refuses and how it deals with
# other plugins is tested in tests/cni.
. "$(dirname "$0")/lib.sh"
[[ -x $WEFT_BIN/weft-cni ]] || skip "no weft-cni in $WEFT_BIN"

ns host c1 c2 c3
config host <<END
[[bridge]]
name = "pods"
vni  = 200
gateway = ["10.1.0.1/24", "fd00:1::1/64"]
END
start host

# cni VERB CONTAINER [KEY...]: the plugin's answer; KEYs are further ones of its configuration, in JSON.
cni() {
    local verb=$1 container=$2 more=${3-}
    printf '{"cniVersion": "1.1.0", "name": "net", "type": "weft", "bridge": "pods", "control": "%s", "dataDir": "%s"%s}' \
        "$work/host.sock" "$work/data" "${more:+, $more}" \
        | CNI_COMMAND=$verb CNI_CONTAINERID=$container CNI_IFNAME=eth0 CNI_PATH=/nowhere CNI_ARGS="${args-}" \
            CNI_NETNS=${netns-/run/netns/$(ns_name "$container")} nsenter --net="/run/netns/$(ns_name host)" -- "$WEFT_BIN/weft-cni"
}

declare -A result address
add() {
    result[$1]=$(cni ADD "$@") || fail "ADD of $1: ${result[$1]}"
    address[$1]=$(jq -r '.ips[0].address | split("/")[0]' <<<"${result[$1]}")
}

check() { cni CHECK "$1" "\"prevResult\": ${result[$1]}"; }

reaches() { on "$1" ping -n -q -c 2 -i 0.1 -W 1 "$2" >/dev/null; }

all_reach_all() {
    local from to
    for from in c1 c2; do
        for to in "${address[c1]}" "${address[c2]}" 10.1.0.1 fd00:1::1; do wait_for "$from reaches $to" 5 reaches "$from" "$to"; done
    done
}

say "two containers reach one another and the gateway, by both families"
cni STATUS none || fail "STATUS"
add c1
args='IgnoreUnknown=1;IP=10.1.0.77;K8S_POD_NAME=web-0' add c2
[[ ${address[c2]} == 10.1.0.77 ]] || fail "c2 has ${address[c2]}"
[[ $(jq -r '.interfaces[0].mac' <<<"${result[c1]}") == "$(mac_of c1 eth0)" ]] || fail "c1's MAC: ${result[c1]}"
[[ $(jq -r '.interfaces[0].mtu' <<<"${result[c1]}") == "$(mtu_of c1 eth0)" ]] || fail "c1's MTU: ${result[c1]}"
all_reach_all
[[ $(cni ADD c1) == "${result[c1]}" ]] || fail "the same ADD again has another result"
{ check c1 && check c2; } || fail "CHECK"

say "a restart of weftd is nothing to them"
stop host
said=$(cni STATUS none) && fail "STATUS without weftd"
[[ $(jq .code <<<"$said") == 50 ]] || fail "STATUS without weftd: $said"
said=$(cni DEL c3) && fail "DEL without weftd"
[[ $(jq .code <<<"$said") == 11 ]] || fail "DEL without weftd: $said"
start host
all_reach_all
{ check c1 && check c2; } || fail "CHECK after a restart"

say "a change in the namespace is found"
on c1 ip route delete default
said=$(check c1) && fail "a route is missing, and CHECK is content"
[[ $(jq .code <<<"$said") == 104 ]] || fail "CHECK: $said"

say "DEL takes all away: with the namespace, without it, twice; GC what nobody names"
add c3
{ cni DEL c1 && cni DEL c1; } || fail "DEL"
on c1 ip link show eth0 >/dev/null 2>&1 && fail "eth0 is still in c1"
reaches c3 "${address[c2]}" || fail "c3 does not reach c2 after c1 is gone"
ip netns delete "$(ns_name c2)"
namespaces=(host c1 c3)
netns='' cni DEL c2 || fail "DEL without a namespace"
cni GC none '"cni.dev/valid-attachments": [{"containerID": "c3", "ifname": "eth0"}]' || fail "GC"
reaches c3 10.1.0.1 || fail "GC has taken what is valid"
cni GC none '"cni.dev/valid-attachments": []' || fail "GC"
left=$(jq -c '[.ports, .leases]' "$work/host.json")
[[ $left == '[[],[]]' ]] || fail "left over: $left"
