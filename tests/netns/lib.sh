# shellcheck shell=bash
# For tests with real daemons in network namespaces; a test sources this first:
#
#   . "$(dirname "$0")/lib.sh"
#
# A test is a script that exits 0 if all is well, 1 with a reason and the daemons' logs if not, 77 if it cannot run here
# (no root, a tool is missing). Its namespaces are called weft-TEST-PID-NAME, NAME being the short name used below; whatever
# the test's end, its processes and namespaces go away, and a test that leaves anything behind has failed. Nothing is done
# in the machine's own namespace. Daemons run with ASan's build as a rule: what a sanitizer says fails the test.
#
# Nothing here uses `ip netns exec` or `ip -n`: they remount /sys, which fails in a chroot. nsenter only changes namespace.
#
# WEFT_BIN            folder of weftd and weft (default: the dev build's, else the release build's)
# WEFT_WORKERS        of every node whose test does not say otherwise (not for manual.sh, whose keys are for one)
# WEFT_FAST_PATH      mode of the fast path of every node whose test does not say otherwise: the suite runs with `off`, too
# WEFT_KEEP_LOGS=1    leave the work folder with configurations, logs and captures in place

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
test_name=$(basename "$0" .sh)
prefix=weft-$test_name-$$

skip() {
    echo "SKIPPED: $*"
    exit 77
}

[[ $EUID -eq 0 ]] || skip "needs root, or unshare -Urnm: it makes network namespaces"
if [[ -z ${WEFT_BIN-} ]]; then
    for WEFT_BIN in "$root/build/dev/bin" "$root/build/release/bin"; do
        [[ -x $WEFT_BIN/weftd ]] && break
    done
fi
[[ -x $WEFT_BIN/weftd && -x $WEFT_BIN/weft ]] || skip "no weftd and weft in $WEFT_BIN: scripts/build makes them"
[[ -c /dev/net/tun ]] || skip "no /dev/net/tun (modprobe tun)"

# need TOOL...: or the test is skipped.
need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || skip "needs $tool: scripts/packages test"
    done
}
need ip nsenter ping jq

umask 077
work=$(mktemp -d "/tmp/$prefix-XXXXXX")
namespaces=()       # short names
spawned=()          # process ids of everything that runs in the background
declare -A daemon   # site -> process id of its weftd
own_interfaces() { ip -o link show | awk -F': ' '{ print $2 }' | sort; }
interfaces_before=$(own_interfaces)
export ASAN_OPTIONS=${ASAN_OPTIONS-detect_leaks=1}
export LC_ALL=C

say() { echo "--- $*"; }

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# wait_for WHAT SECONDS COMMAND...: until the command succeeds; fails the test if it has not by then.
wait_for() {
    local what=$1 limit=$2 deadline
    shift 2
    deadline=$((SECONDS + limit))
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= deadline)); then
            "$@" || true
            fail "$what: not within $limit s"
        fi
        sleep 0.1
    done
}

# milliseconds of a clock that only grows
now_ms() { awk '{ printf "%d\n", $1 * 1000 }' /proc/uptime; }

# --- namespaces ---

# ns NAME...: makes them.
ns() {
    local name
    for name in "$@"; do
        ip netns add "$prefix-$name"
        namespaces+=("$name")
        on "$name" ip link set lo up
    done
}

# ns_name NAME: as a configuration calls it.
ns_name() { echo "$prefix-$1"; }

# on NAME COMMAND...: runs it there.
on() {
    local name=$1
    shift
    nsenter --net="/run/netns/$prefix-$name" -- "$@"
}

# spawn NAME LOG COMMAND...: runs it there in the background; $last_spawned is its process id.
spawn() {
    local name=$1 log=$2
    shift 2
    nsenter --net="/run/netns/$prefix-$name" -- "$@" >"$log" 2>&1 </dev/null &
    last_spawned=$!
    spawned+=("$last_spawned")
}

# link A DEVICE B DEVICE: a cable between two namespaces.
link() {
    on "$1" ip link add "$2" type veth peer name "$4" netns "$(ns_name "$3")"
    on "$1" ip link set "$2" up
    on "$3" ip link set "$4" up
}

# address NAME DEVICE ADDRESS...
address() {
    local name=$1 device=$2 one
    shift 2
    for one in "$@"; do
        if [[ $one == *:* ]]; then
            on "$name" ip address add "$one" dev "$device" nodad
        else
            on "$name" ip address add "$one" dev "$device"
        fi
    done
}

mac_of() { on "$1" ip -j link show "$2" | jq -r '.[0].address'; }

mtu_of() { on "$1" ip -j link show "$2" | jq -r '.[0].mtu'; }

# sysctl_in NAME KEY/PATH VALUE
sysctl_in() { on "$1" sh -c "echo $3 > /proc/sys/$2"; }

# --- daemons ---

# key SITE...: a private and a public key for each.
key() {
    local site
    for site in "$@"; do
        "$WEFT_BIN/weft" genkey >"$work/$site.key"
        "$WEFT_BIN/weft" pubkey <"$work/$site.key" >"$work/$site.pub"
    done
}

public_key() { cat "$work/$1.pub"; }

# config SITE: its configuration on stdin, without [node], which it writes; further arguments are lines for [node].
config() {
    local site=$1 sections
    shift
    sections=$(cat)
    [[ -z ${WEFT_FAST_PATH-} || $sections == *"[fastpath]"* ]] || sections="[fastpath]
mode = \"$WEFT_FAST_PATH\"

$sections"
    {
        echo '[node]'
        echo "name = \"$site\""
        echo "control = \"$work/$site.sock\""
        echo "state_dir = \"$work\""
        [[ ! -e $work/$site.key ]] || echo "private_key_file = \"$work/$site.key\""
        [[ -z ${WEFT_WORKERS-} || "$*" == *"workers ="* ]] || echo "workers = $WEFT_WORKERS"
        printf '%s\n' "$@" '' "$sections"
    } >"$work/$site.toml"
}

# launch SITE: weftd in the namespace SITE, not waited for.
launch() {
    local site=$1
    nsenter --net="/run/netns/$prefix-$site" -- "$WEFT_BIN/weftd" --config "$work/$site.toml" \
        >>"$work/$site.log" 2>&1 </dev/null &
    daemon[$site]=$!
    spawned+=("$!")
}

answers_or_died() {
    weft "$1" status >/dev/null 2>&1 || ! kill -0 "${daemon[$1]}" 2>/dev/null
}

# start SITE...: weftd in the namespace of the same name, with its configuration, until it answers.
start() {
    local site
    for site in "$@"; do launch "$site"; done
    for site in "$@"; do
        wait_for "$site answers" 20 answers_or_died "$site"
        kill -0 "${daemon[$site]}" 2>/dev/null || fail "$site ended while starting"
    done
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# terminate SITE: SIGTERM; the daemon must end by itself, with status 0. Says why not, and returns 1.
terminate() {
    local site=$1 pid=${daemon[$1]} status=0 deadline=$((SECONDS + 10))
    unset "daemon[$site]"
    kill -TERM "$pid" 2>/dev/null || { echo "FAILED: $site is not running any more" >&2; return 1; }
    until gone "$pid"; do
        ((SECONDS < deadline)) || { echo "FAILED: $site does not end on SIGTERM" >&2; return 1; }
        sleep 0.05
    done
    wait "$pid" || status=$?
    [[ $status -eq 0 ]] || { echo "FAILED: $site ended with status $status" >&2; return 1; }
}

stop() {
    local site
    for site in "$@"; do terminate "$site" || exit 1; done
}

# crash SITE: as power loss would.
crash() {
    local pid=${daemon[$1]}
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null || true
    unset "daemon[$1]"
}

# weft SITE COMMAND...: the client, against the site's daemon.
weft() {
    local site=$1
    shift
    "$WEFT_BIN/weft" --control "$work/$site.sock" "$@"
}

# query SITE COMMAND FILTER: jq over the command's JSON.
query() { weft "$1" "$2" --json | jq -r "$3"; }

# drops SITE NAME...: packets of the whole node counted under these names; without a name, under any.
drops() {
    local site=$1
    shift
    weft "$site" drops --json | jq --arg names "$*" '($names | split(" ")) as $wanted
        | [.drops[] | select($wanted == [] or (.drop as $drop | $wanted | index($drop))) | .packets] | add // 0'
}

# dropped SITE NAME COUNT: at least that many.
dropped() { (($(drops "$1" "$2") >= $3)); }

# --- the usual two sites ---
#
#   host-a     site-a                     router                    site-b     host-b
#   lan0  <--- weftd  198.51.100.2 --- 198.51.100.1  203.0.113.1 --- 203.0.113.2  weftd ---> lan0
#   weft0 <--/                                                                        \--> weft0
#
# lan0: a TAP on the stretched bridge, 10.10.0.11 and 10.10.0.12. weft0: a TUN, 10.20.1.1/24 and 10.20.2.1/24.

underlay() {
    ns host-a site-a router site-b host-b
    link site-a eth0 router to-a
    link site-b eth0 router to-b
    address site-a eth0 198.51.100.2/24
    address router to-a 198.51.100.1/24
    address site-b eth0 203.0.113.2/24
    address router to-b 203.0.113.1/24
    sysctl_in router net/ipv4/ip_forward 1
    on site-a ip route add default via 198.51.100.1
    on site-b ip route add default via 203.0.113.1
}

# ports LETTER NUMBER: the bridge, the TAP and the TUN of a site.
ports() {
    cat <<END
[[bridge]]
name = "lan"
vni = 100

[[port]]
name = "lan0"
type = "tap"
netns = "$(ns_name "host-$1")"
bridge = "lan"
address = ["10.10.0.1$2/24", "fd00:10::1$2/64"]

[[port]]
name = "weft0"
type = "tun"
netns = "$(ns_name "host-$1")"
address = ["10.20.$2.1/24", "fd00:20:$2::1/64"]
END
}

# peer SITE NUMBER [LINE...]: an encrypted peer with the stretched bridge and its TUN's prefixes.
peer() {
    local site=$1 number=$2
    shift 2
    cat <<END

[[peer]]
name = "$site"
public_key = "$(public_key "$site")"
bridges = ["lan"]
prefixes = ["10.20.$number.0/24", "fd00:20:$number::/64"]
END
    printf '%s\n' "$@"
}

# two_sites [NODE-LINE...]: configures and starts both; site-a knows where site-b is, site-b learns where site-a is.
two_sites() {
    underlay
    key site-a site-b
    { ports a 1; peer site-b 2 'endpoint = "203.0.113.2:4500"'; } | config site-a "$@"
    { ports b 2; peer site-a 1; } | config site-b "$@"
    start site-a site-b
    wait_for "the sites' first ping" 15 reaches host-a 10.10.0.12
}

# --- traffic ---

# reaches NAME ADDRESS [PING-OPTION...]: one echo is answered within a second.
reaches() {
    local name=$1 to=$2
    shift 2
    on "$name" ping -n -q -c 1 -W 1 "$@" "$to"
}

# pings NAME ADDRESS [COUNT]: every echo is answered.
pings() {
    local count=${3-20} said
    said=$(on "$1" ping -n -q -c "$count" -i 0.02 -W 2 "$2") || true
    grep -q " $count received, 0% packet loss" <<<"$said" || fail "ping $1 -> $2: $said"
    echo "ping $1 -> $2: $count of $count"
}

# tcp CLIENT SERVER ADDRESS [BYTES]: the bytes arrive, whole and in order, and their echo comes back.
tcp() {
    local client=$1 server=$2 to=$3 bytes=${4-4000000} port=$((10000 + RANDOM % 20000))
    spawn "$server" "$work/tcp.log" "$here/traffic.py" echo "$port"
    wait_for "$server listens" 10 on "$server" sh -c "grep -qi ':$(printf %04x "$port") .* 0A ' /proc/net/tcp /proc/net/tcp6"
    on "$client" timeout 60 "$here/traffic.py" call "$to" "$port" "$bytes" || fail "tcp $client -> $server ($to)"
}

# file CLIENT SERVER ADDRESS FILE: over one connection; the SHA-256 is the same at both ends.
file() {
    local client=$1 server=$2 to=$3 path=$4 port=$((10000 + RANDOM % 20000))
    spawn "$server" "$work/file.log" "$here/traffic.py" sink "$port"
    wait_for "$server listens" 10 on "$server" sh -c "grep -qi ':$(printf %04x "$port") .* 0A ' /proc/net/tcp /proc/net/tcp6"
    on "$client" timeout 120 "$here/traffic.py" file "$to" "$port" "$path" || fail "file $client -> $server ($to)"
}

# like_a_wire SITE...: what leaves them are single datagrams, as on every wire. A veth pair passes whole trains of them.
like_a_wire() {
    local site
    need ethtool
    for site in "$@"; do on "$site" ethtool -K eth0 tx-udp-segmentation off >>"$work/ethtool.log"; done
}

# capture NAME DEVICE FILE [FILTER]: until `captured`.
capture() {
    local name=$1 device=$2 file=$3
    shift 3
    need tcpdump
    spawn "$name" "$file.log" tcpdump --immediate-mode -U -B 16384 -n -i "$device" -w "$file" "$@"
    capture_pid=$last_spawned
    wait_for "tcpdump listens on $device" 10 grep -q listening "$file.log"
}

captured() {
    kill -INT "$capture_pid"
    wait_for "tcpdump ends" 10 gone "$capture_pid"
}

# --- the end ---

sanitizers_silent() {
    local found
    found=$(grep -lE 'ERROR: (Address|Leak)Sanitizer|runtime error:|SUMMARY: .*Sanitizer' "$work"/*.log 2>/dev/null) || return 0
    echo "FAILED: a sanitizer has something to say in: $found" >&2
    return 1
}

left_behind() {
    local name
    for name in "${namespaces[@]}"; do
        [[ ! -e /run/netns/$prefix-$name ]] || echo "namespace $prefix-$name"
    done
    diff <(echo "$interfaces_before") <(own_interfaces) | sed -n 's/^> /interface /p' | grep -v veth || true
}

# A test that has more to put away defines before_exit.
on_exit() {
    local status=$1 site pid log name left
    trap - EXIT
    set +e
    if [[ $status -eq 0 ]]; then
        for site in "${!daemon[@]}"; do terminate "$site" || status=1; done
        sanitizers_silent || status=1
    fi
    if [[ $status -ne 0 && $status -ne 77 ]]; then
        for log in "$work"/*.log; do
            [[ -s $log ]] && { echo "=== $(basename "$log")"; tail -n 60 "$log"; }
        done
    fi
    ! declare -F before_exit >/dev/null || before_exit
    for pid in "${spawned[@]}"; do kill -TERM "$pid" 2>/dev/null; done
    for name in "${namespaces[@]}"; do
        for pid in $(ip netns pids "$prefix-$name" 2>/dev/null); do
            kill -TERM "$pid" 2>/dev/null
            for _ in {1..30}; do gone "$pid" && break; sleep 0.1; done
            kill -KILL "$pid" 2>/dev/null
        done
        ip netns delete "$prefix-$name"
    done
    wait 2>/dev/null
    left=$(left_behind)
    [[ -z $left ]] || { echo "FAILED: left behind: $left" >&2; status=1; }
    if [[ -n ${WEFT_KEEP_LOGS-} ]]; then
        echo "work folder: $work"
    else
        rm -rf "$work"
    fi
    exit "$status"
}

trap 'on_exit $?' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
trap 'exit 141' PIPE
