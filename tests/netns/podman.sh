#!/bin/bash
# podman's containers on weft: two hosts, each with its own weftd and podman, whose containers are in one network across an
# encrypted overlay; names; a published port; a restart of weftd under them; and nothing is left behind.
. "$(dirname "$0")/podman_lib.sh" "$@"
need dnsmasq
[[ -x $plugins/dnsname ]] || skip "no dnsname in $plugins: scripts/packages containers"

underlay
key site-a site-b

# site LETTER NUMBER OTHER OTHER-NUMBER: the bridge is stretched, and each host gives addresses of its own half.
site() {
    cat <<END
[[bridge]]
name = "pods"
vni = 200
gateway = ["10.88.$2.1/24", "fd00:88:$2::1/64"]
masquerade = true

[[port]]
name = "pods0"
type = "tap"
bridge = "pods"
address = ["10.88.$2.2/24"]

[[bridge]]
name = "shared"
vni = 201
gateway = ["10.90.0.$2/16"]

[[peer]]
name = "site-$3"
public_key = "$(public_key "site-$3")"
bridges = ["shared"]
prefixes = ["10.88.$4.0/24", "fd00:88:$4::/64"]
END
    [[ $1 == b ]] || echo 'endpoint = "203.0.113.2:4500"'
}
site a 1 b 2 | config site-a
site b 2 a 1 | config site-b
start site-a site-b

podman_host site-a site-b
for name in site-a site-b; do
    for network in pods shared; do
        ipam='{"type": "weft"}' host='' names=''
        # One name server: the plugin has one folder in /run for all networks of a name.
        [[ $name/$network == site-a/pods ]] && host='"hostInterface": "pods0",' names=', {"type": "dnsname", "domainName": "dns.podman", "capabilities": {"aliases": true}}'
        [[ $network == pods ]] || ipam="{\"type\": \"host-local\", \"dataDir\": \"$work/$name/ipam\",
            \"ranges\": [[{\"subnet\": \"10.90.0.0/16\", \"rangeStart\": \"10.90.$([[ $name == site-a ]] && echo 1 || echo 2).10\", \"gateway\": \"10.90.0.$([[ $name == site-a ]] && echo 1 || echo 2)\"}]]}"
        cat >"$work/$name/net.d/10-$network.conflist" <<END
{
  "cniVersion": "0.4.0",
  "name": "$network",
  "plugins": [
    {"type": "weft", "bridge": "$network", "control": "$work/$name.sock", "dataDir": "$work/$name/pending", $host
     "ipam": $ipam},
    {"type": "portmap", "capabilities": {"portMappings": true}}$names
  ]
}
END
    done
done

# run SITE NAME NETWORK [OPTION...]: a container that serves its name by HTTP.
run() {
    local site=$1 name=$2 network=$3
    shift 3
    mkdir -p "$work/www-$name"
    echo "$name" >"$work/www-$name/index.html"
    chmod -R a+rX "$work/www-$name"
    engine "$site" run -d --name "$name" --network "$network" --cgroups=disabled -v "$work/www-$name:/www:ro" "$@" \
        --rootfs "$work/root" httpd -f -p 80 -h /www >"$work/run-$name.txt" 2>&1 || fail "podman run $name: $(cat "$work/run-$name.txt")"
}

# get ADDRESS PORT: by a shell where there is busybox; its wget wants more of glibc than a small root has.
# shellcheck disable=SC2016  # it is the container's shell that expands it
get='printf "GET /index.html HTTP/1.0\r\n\r\n" | busybox nc -w 3 "$1" "$2" | busybox tail -n 1'
fetch() { engine "$1" exec "$2" sh -c "$get" get "$3" 80; }

say "two containers on one host"
run site-a one pods
run site-a two pods -p 8080:80
one=$(address_of site-a one) two=$(address_of site-a two)
echo "one has $one, two has $two"
[[ $(fetch site-a one "$two") == two ]] || fail "one does not reach two"
[[ $(engine site-a exec one cat /sys/class/net/eth0/mtu) -gt 1200 ]]
weft site-a ipam

say "by their names"
by_name() { engine site-a exec "$1" ping -4 -c 1 -W 2 "$2" >"$work/by_name.txt" 2>&1; }
by_name one two || fail "one does not find two by its name: $(cat "$work/by_name.txt")"
grep -q "$two" "$work/by_name.txt" || fail "two is not $two: $(cat "$work/by_name.txt")"
by_name two one.dns.podman || fail "two does not find one.dns.podman: $(cat "$work/by_name.txt")"
by_name one nobody && fail "nobody is found: $(cat "$work/by_name.txt")"

say "a published port, from outside"
[[ $(on router sh -c "$get" get 198.51.100.2 8080) == two ]] || fail "the published port is not reached"

say "the outside world"
engine site-a exec one ping -c 1 -W 2 203.0.113.1 >"$work/out.txt" || fail "one does not get out"

say "across hosts: routed, and on one stretched bridge"
run site-b three pods
three=$(address_of site-b three)
says() { [[ $(fetch "$1" "$2" "$3") == "$4" ]]; }
wait_for "three from one" 15 says site-a one "$three" three
run site-a four shared
run site-b five shared
five=$(address_of site-b five)
mtu=$(engine site-a exec four cat /sys/class/net/eth0/mtu)
[[ $mtu == "$(query site-a ports '.ports[] | select(.bridge == "shared" and .kind == "veth") | .mtu_bytes')" ]] || fail "four's MTU is $mtu: $(weft site-a ports)"
nsenter --net="/proc/$(engine site-a inspect --format '{{.State.Pid}}' four)/ns/net" ping -n -q -M "do" -s $((mtu - 28)) -c 1 -W 2 "$five" >"$work/full.txt" \
    || fail "the first packet of $mtu bytes does not cross: $(cat "$work/full.txt")"
echo "MTU $mtu, and a first packet of that size crosses"
[[ $(fetch site-a four "$five") == five ]] || fail "four does not reach five"

say "weftd is killed, and is back"
spawn site-a "$work/ping.txt" env CONTAINERS_CONF="$work/site-a/containers.conf" podman --root "$work/site-a/storage" \
    --runroot "$work/site-a/run" --tmpdir "$work/site-a/tmp" exec one ping -i 0.1 -c 60 "$two"
sleep 1
crash site-a
start site-a
[[ $(fetch site-a one "$two") == two ]] || fail "one does not reach two after a restart of weftd"
wait_for "three from one again" 15 says site-a one "$three" three
[[ $(address_of site-a one) == "$one" ]] || fail "one has another address"
wait_for "two's name after a restart of weftd" 10 by_name one two

say "containers go, and nothing stays"
for each in "site-a one" "site-a two" "site-a four" "site-b three" "site-b five"; do
    read -r site name <<<"$each"
    engine "$site" rm -f -t 0 "$name" >/dev/null || fail "podman rm $name"
done
for site in site-a site-b; do
    [[ $(query "$site" ipam '[.pools[].leases[]] | length') == 0 ]] || fail "leases are left: $(weft "$site" ipam)"
    [[ $(jq '.ports | length' "$work/$site.json") == 0 ]] || fail "ports are left in the state of $site"
    left=$(ip netns pids "$(ns_name "$site")" | xargs -r ps -o comm= -p | grep dnsmasq || true)
    [[ -z $left ]] || fail "dnsname's server is left"
    left=$(on "$site" ip -o link show | grep -c 'weftv' || true)
    [[ $left == 0 ]] || fail "host ends are left: $(on "$site" ip -o link show)"
done
