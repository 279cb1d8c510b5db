#!/bin/bash
# A planned restart, by a service manager that keeps descriptors (service_manager.py stands in for it) or by `weft upgrade`, loses
# nothing: no ping of containers, a TAP and a TUN, local, plain and encrypted, and no session. What it costs without, and after
# kill -9, is shown beside it.
. "$(dirname "$0")/lib.sh"
need iperf3 python3
restarts=${WEFT_RESTARTS-5}
gap_ms=${WEFT_GAP_MS-2000}

underlay
ns c1 c2 c3 c4
key site-a site-b
# site NUMBER OTHER OTHER-ADDRESS LETTER: bridges for containers, one of them to a plain peer, and a TAP and a TUN.
site() {
    cat <<END
[[bridge]]
name = "pods"
vni = 200
gateway = ["10.1.0.25$1/24"]

[[bridge]]
name = "plain"
vni = 201

[[port]]
name = "lan0"
type = "tap"
netns = "$(ns_name "host-$4")"
bridge = "pods"
address = ["10.1.0.1$1/24"]

[[port]]
name = "weft0"
type = "tun"
netns = "$(ns_name "host-$4")"
address = ["10.20.$1.1/24"]

[[peer]]
name = "site-$2"
public_key = "$(public_key "site-$2")"
bridges = ["pods"]
prefixes = ["10.20.$((3 - $1)).0/24"]
endpoint = "$3:4500"

[[peer]]
name = "plain-$2"
encryption = "none"
endpoint = "$3:4789"
bridges = ["plain"]
END
}
site 1 b 203.0.113.2 a | config site-a
# site-b is upgraded: its program is a copy that another one replaces, its user is nobody's.
nobody=65534
chmod 0711 "$work"
install -d -o $nobody -m 0700 "$work/state-b"
site 2 a 198.51.100.2 b | config site-b "user = \"$nobody\""
sed -i "s#^state_dir = .*#state_dir = \"$work/state-b\"#" "$work/site-b.toml"

# managed SIGNAL: what is asked of the service manager of site-a, until its next weftd is ready.
ready() { grep -c '^ready' "$work/manager.txt"; }
is_ready() { (($(ready) > $1)); }
managed() {
    local before
    before=$(ready)
    kill -"$1" "$manager"
    wait_for "site-a is ready again" 20 is_ready "$before"
}
spawn site-a "$work/manager.txt" sh -c \
    "exec '$here/service_manager.py' '$work/notify' '$WEFT_BIN/weftd' --config '$work/site-a.toml' 2>>'$work/site-a.log'"
manager=$last_spawned
wait_for "site-a is ready" 20 is_ready 0
cp "$WEFT_BIN/weftd" "$work/weftd"
spawn site-b "$work/site-b.log" "$work/weftd" --config "$work/site-b.toml"
wait_for "site-b answers" 20 weft site-b status

# attach SITE CONTAINER DEVICE BRIDGE ADDRESS
attach() {
    weft "$1" port add "$2-$3" --bridge "$4" --netns "/run/netns/$(ns_name "$2")" --device "$3" --address "$5" >>"$work/added.txt"
}
attach site-a c1 eth0 pods 10.1.0.1/24
attach site-a c2 eth0 pods 10.1.0.2/24
attach site-b c3 eth0 pods 10.1.0.3/24
attach site-a c1 eth1 plain 10.2.0.1/24
attach site-b c4 eth1 plain 10.2.0.4/24
declare -A from=([local]=c1 [encrypted]=c1 [plain]=c1 [tap]=host-a [tun]=host-a)
declare -A target=([local]=10.1.0.2 [encrypted]=10.1.0.3 [plain]=10.2.0.4 [tap]=10.1.0.3 [tun]=10.20.2.1)
kinds=(local encrypted plain tap tun)
for kind in "${kinds[@]}"; do wait_for "$kind traffic" 15 reaches "${from[$kind]}" "${target[$kind]}"; done

# What must not change: devices with their indices, MAC and addresses, and sessions.
devices() {
    local name
    for name in c1 c2 host-a; do on "$name" ip -j address show | jq -c '[.[] | [.ifname, .ifindex, .address, [.addr_info[].local]]] | sort'; done
}
handshakes() { for site in site-a site-b; do query "$site" peers '[.peers[] | select(.endpoint) | [.peer, .handshakes // 0]]' | jq -c .; done; }
stations() { query site-a fdb '.stations | length'; }

# pings_through WHAT COUNT COMMAND...: pings of all kinds every 10 ms while it happens, all of them waited for; sets lost[KIND].
declare -A lost
pings_through() {
    local kind what=$1 count=$2 pids=()
    shift 2
    for kind in "${kinds[@]}"; do
        spawn "${from[$kind]}" "$work/$kind.txt" ping -n -D -i 0.01 -c "$count" -W 2 "${target[$kind]}"
        pids+=("$last_spawned")
    done
    sleep 0.5
    "$@"
    wait "${pids[@]}" || true
    for kind in "${kinds[@]}"; do
        read -r lost["$kind"] gap < <(awk '
            /bytes from/ { gsub(/[][]/, "", $1); if (last && $1 - last > gap) gap = $1 - last; last = $1; got++ }
            / packets transmitted/ { sent = $1 }
            END { printf "%d %d\n", sent - got, gap * 1000 }' "$work/$kind.txt")
        echo "$what: $kind: ${lost[$kind]} of $count pings lost, longest gap $gap ms"
        ((gap <= gap_ms)) || fail "$what: $kind traffic stood still for $gap ms"
    done
}

# planned: as many restarts as asked for.
planned() {
    local i
    for ((i = 0; i < restarts; ++i)); do
        managed USR1
        sleep 1
    done
}

devices_before=$(devices)
handshakes_before=$(handshakes)
stations_before=$(stations)
pings_through "$restarts planned restarts" $((restarts * 200)) planned
for kind in "${kinds[@]}"; do ((lost[$kind] == 0)) || fail "a planned restart has lost ${lost[$kind]} $kind pings"; done
[[ $(devices) == "$devices_before" ]] || fail "devices have changed: $(devices), not $devices_before"
[[ $(handshakes) == "$handshakes_before" ]] || fail "handshakes were made: $(handshakes), not $handshakes_before"
(($(stations) >= stations_before)) || fail "stations were forgotten: $(stations), not $stations_before"
[[ $(drops site-b replayed) == 0 ]] || fail "site-b has seen a sequence number twice"
! grep -q "made anew" "$work/site-a.log" || fail "something was made anew: $(grep "made anew" "$work/site-a.log")"
echo "no handshake: $(tail -1 <<<"$handshakes_before")"

say "TCP through planned restarts"
for kind in local encrypted plain; do
    case $kind in local) server=c2 ;; encrypted) server=c3 ;; plain) server=c4 ;; esac
    spawn "$server" "$work/server.txt" iperf3 -s -1
    sleep 0.3
    spawn c1 "$work/client.json" iperf3 -c "${target[$kind]}" -t 6 -i 0.5 -J -C cubic
    client=$last_spawned
    sleep 1.2
    for _ in 1 2 3; do
        managed USR1
        sleep 0.8
    done
    wait "$client" || fail "iperf3: $(tail -3 "$work/client.json")"
    jq -r --arg kind "$kind" '"TCP, \($kind): \(.end.sum_sent.retransmits) segments sent again, Gbit/s each half second: \(
        .intervals | map(.sum.bits_per_second / 1e9 * 10 | floor / 10))"' "$work/client.json"
    [[ $(jq '.intervals[-1].sum.bits_per_second > 1e6' "$work/client.json") == true ]] || fail "TCP did not go on"
done
[[ $(handshakes) == "$handshakes_before" ]] || fail "handshakes were made: $(handshakes), not $handshakes_before"

say "weft upgrade, of a node that no service manager runs"
pid_of_b() { query site-b status .pid; }
upgraded() {
    local i
    for ((i = 0; i < restarts; ++i)); do
        cp "$WEFT_BIN/weftd" "$work/weftd.new" && mv "$work/weftd.new" "$work/weftd"
        weft site-b upgrade >>"$work/upgrades.txt" || fail "weft upgrade: $(cat "$work/upgrades.txt")"
        sleep 1
    done
}
first_pid=$(pid_of_b)
pings_through "$restarts upgrades" $((restarts * 200)) upgraded
for kind in "${kinds[@]}"; do ((lost[$kind] == 0)) || fail "an upgrade has lost ${lost[$kind]} $kind pings"; done
[[ $(handshakes) == "$handshakes_before" ]] || fail "handshakes were made: $(handshakes), not $handshakes_before"
[[ $(pid_of_b) != "$first_pid" ]] || fail "site-b is the same process as before"
[[ $(readlink "/proc/$(pid_of_b)/exe") == "$work/weftd" ]] || fail "site-b runs $(readlink "/proc/$(pid_of_b)/exe")"
# Sanitizers need more calls than weftd does, so their build has no filter.
filter=2
! grep -q __asan_init "$WEFT_BIN/weftd" || filter=0
for task in /proc/"$(pid_of_b)"/task/*/status; do
    said=$(awk '/^(Uid|CapPrm|CapEff|CapAmb|Seccomp|NoNewPrivs):/ { printf "%s%s ", $1, $2 }' "$task")
    [[ $said == "Uid:$nobody CapPrm:0000000000000000 CapEff:0000000000000000 CapAmb:0000000000000000 NoNewPrivs:1 Seccomp:$filter " ]] \
        || fail "the upgraded weftd has not given up what it had: $said"
done
! weft site-a upgrade 2>"$work/refused.txt" || fail "a weftd with a service manager was upgraded"
grep -q "systemctl restart" "$work/refused.txt" || fail "$(cat "$work/refused.txt")"

say "without: what is stored is dropped, and kill -9"
pings_through "stopped and started" 400 managed HUP
pings_through "killed and started" 400 managed USR2
[[ $(handshakes) != "$handshakes_before" ]] || fail "a session has outlived kill -9"
! grep '^ended' "$work/manager.txt" | grep -qvE '^ended (0|-9) ' || fail "$(grep '^ended' "$work/manager.txt")"
kill -TERM "$manager"
wait_for "site-a ends" 10 gone "$manager"
site_b=$(pid_of_b)
kill -TERM "$site_b"
wait_for "site-b ends" 10 gone "$site_b"
