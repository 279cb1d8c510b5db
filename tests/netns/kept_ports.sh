#!/bin/bash
# Containers keep their interfaces while weftd is stopped, killed and started again; how long nothing passes meanwhile, for local,
# plain and encrypted traffic.
. "$(dirname "$0")/lib.sh"
need iperf3
limit_ms=${WEFT_GAP_MS-2000}

underlay
ns c1 c2 c3 c4
key site-a site-b
# site NUMBER OTHER OTHER-ADDRESS
site() {
    cat <<END
[[bridge]]
name = "pods"
vni = 200

[[bridge]]
name = "plain"
vni = 201

[[peer]]
name = "site-$1"
public_key = "$(public_key "site-$1")"
bridges = ["pods"]
endpoint = "$2:4500"

[[peer]]
name = "plain-$1"
encryption = "none"
endpoint = "$2:4789"
bridges = ["plain"]
END
}
site b 203.0.113.2 | config site-a "workers = 1"
site a 198.51.100.2 | config site-b "workers = 1"
start site-a site-b
# attach SITE CONTAINER DEVICE BRIDGE ADDRESS
attach() {
    weft "$1" port add "$2-$3" --bridge "$4" --netns "/run/netns/$(ns_name "$2")" --device "$3" --address "$5" >>"$work/added.txt"
}
attach site-a c1 eth0 pods 10.1.0.1/24
attach site-a c2 eth0 pods 10.1.0.2/24
attach site-b c3 eth0 pods 10.1.0.3/24
attach site-a c1 eth1 plain 10.2.0.1/24
attach site-b c4 eth1 plain 10.2.0.4/24
declare -A target=([local]=10.1.0.2 [encrypted]=10.1.0.3 [plain]=10.2.0.4)
for kind in "${!target[@]}"; do wait_for "$kind traffic" 15 reaches c1 "${target[$kind]}"; done
devices_of_c1() { on c1 ip -j -4 address show | jq -c '[.[] | [.ifname, .ifindex, .address, [.addr_info[].local]]] | sort'; }
before=$(devices_of_c1)

# through COMMAND...: pings of all kinds every 10 ms while it happens; what was lost, and the longest time without an answer.
through() {
    local kind what=$1 pids=()
    shift
    for kind in local encrypted plain; do
        spawn c1 "$work/$kind.txt" ping -n -D -O -i 0.01 "${target[$kind]}"
        pids+=("$last_spawned")
    done
    sleep 0.5
    "$@"
    sleep 4
    kill -INT "${pids[@]}"
    wait "${pids[@]}" 2>/dev/null || true
    for kind in local encrypted plain; do
        awk -v kind="$kind" -v what="$what" -v limit="$limit_ms" '
            /bytes from/ { gsub(/[][]/, "", $1); if (last && $1 - last > gap) gap = $1 - last; last = $1; got++ }
            / packets transmitted/ { sent = $1 }
            END {
                printf "%s: %s: %d of %d pings lost, longest gap %d ms\n", what, kind, sent - got, sent, gap * 1000
                exit gap * 1000 > limit
            }' "$work/$kind.txt" || fail "$what: $kind traffic stood still for too long"
    done
    [[ $(devices_of_c1) == "$before" ]] || fail "c1 has other devices or addresses: $(devices_of_c1), not $before"
}

restart() { stop site-a; start site-a; }
kill_9() { crash site-a; start site-a; }
through "stopped and started" restart
through "killed and started" kill_9

say "a TCP connection survives it"
spawn c2 "$work/server.txt" iperf3 -s -1
sleep 0.3
spawn c1 "$work/client.json" iperf3 -c 10.1.0.2 -t 5 -i 0.5 -J -C cubic
client=$last_spawned
sleep 1.5
kill_9
wait "$client" || fail "iperf3: $(tail -3 "$work/client.json")"
jq -r '"TCP: \(.intervals | map(.sum.bits_per_second / 1e9 * 10 | floor / 10)) Gbit/s each half second"' "$work/client.json"
[[ $(jq '.intervals[-1].sum.bits_per_second > 1e6' "$work/client.json") == true ]] || fail "TCP did not go on"
