#!/bin/bash
# A core of a daemon that has handshakes and traffic behind it holds no secret: neither the long-term keys nor any session's, in
# no thread's stack and no register. The scanner proves itself with what is no secret, and with a process that takes no care.
. "$(dirname "$0")/lib.sh"
# A sanitizer's heap is another one, and it keeps what is freed.
WEFT_BIN=${WEFT_RELEASE_BIN-$root/build/release/bin}
[[ -x $WEFT_BIN/weftd ]] || skip "no release build: scripts/build makes it"
/usr/bin/python3 -c 'import cryptography' 2>/dev/null || skip "needs python3-cryptography: scripts/packages test"
pattern=$(</proc/sys/kernel/core_pattern)
if [[ $pattern != core* ]]; then command -v gcore >/dev/null || skip "cores go to '$pattern', and there is no gcore (gdb)"; fi

# dump PID FOLDER: $core is a core of it, whose working directory FOLDER is. It is over then.
dump() {
    local pid=$1 folder=$2
    if [[ $pattern == core* ]]; then
        kill -ABRT "$pid"
        wait_for "the core of $pid" 20 gone "$pid"  # not everyone is this shell's child; who is gone has written
        core=$(find "$folder" -name 'core*' | head -n 1)
    else
        gcore -o "$folder/core" "$pid" >"$folder.log" 2>&1
        kill -KILL "$pid"
        core=$folder/core.$pid
    fi
    [[ -s ${core-} ]] || fail "process $pid left no core in $folder"
}

hex_of() { base64 -d <"$1" | od -An -v -tx1 | tr -d ' \n'; }

say "a process that takes no care: its secret is found, once for each form that it has"
planted=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
mkdir "$work/control"
(
    cd "$work/control" && ulimit -c unlimited
    exec /usr/bin/python3 -c 'import sys, time
secret = bytes.fromhex(sys.stdin.read())
print("ready", flush=True)
time.sleep(60)' <<<"$planted" >"$work/control.log" 2>&1
) &
control=$!
spawned+=("$control")
wait_for "the control process" 10 grep -q ready "$work/control.log"
dump "$control" "$work/control"
echo "planted $planted" >"$work/planted"
: >"$work/nothing"
"$here/core_scan.py" "$core" "$work/planted" "$work/nothing" >"$work/scan.log" && fail "the scanner does not find a planted secret"
grep -q "FOUND planted as bytes" "$work/scan.log" || fail "the scanner does not find a planted secret: $(cat "$work/scan.log")"
rm "$core"

say "two sites with a preshared key and two workers, traffic, and two changes of keys"
underlay
key site-a site-b
"$WEFT_BIN/weft" genpsk >"$work/psk"
{ ports a 1; peer site-b 2 'endpoint = "203.0.113.2:4500"' "preshared_key_file = \"$work/psk\""; } \
    | config site-a "keylog = \"$work/keys-a\"" 'workers = 2'
{ ports b 2; peer site-a 1 "preshared_key_file = \"$work/psk\""; } | config site-b "keylog = \"$work/keys-b\"" 'workers = 2'

# cores SITE: weftd as launch() does it, for whoever debugs a crash.
cores() {
    local site=$1
    mkdir -p "$work/$site.cores"
    chmod 777 "$work/$site.cores"
    (
        cd "$work/$site.cores" && ulimit -c unlimited
        exec nsenter --net="/run/netns/$prefix-$site" -- "$WEFT_BIN/weftd" --core-dumps --config "$work/$site.toml" \
            >>"$work/$site.log" 2>&1 </dev/null
    ) &
    daemon[$site]=$!
    spawned+=("$!")
    wait_for "$site answers" 20 answers_or_died "$site"
}
cores site-a
cores site-b
wait_for "the first ping" 15 reaches host-a 10.10.0.12
for _ in 1 2; do
    pings host-a 10.10.0.12
    pings host-b 10.20.1.1
    tcp host-a host-b 10.20.2.1 200000
    stop site-b
    cores site-b
    wait_for "the sites to meet again" 20 reaches host-a 10.10.0.12 -W 0.2
done
tcp host-b host-a 10.10.0.11 200000

say "site-a is upgraded: the next process has the keys of the last"
weft site-a upgrade
daemon[site-a]=$(query site-a status .pid)
spawned+=("${daemon[site-a]}")
tcp host-b host-a 10.10.0.11 200000

say "what must not be found"
for site in site-a site-b; do
    echo 0x7f >"/proc/${daemon[$site]}/coredump_filter"  # files' pages as well
    other=$([[ $site == site-a ]] && echo site-b || echo site-a)
    {
        echo "private-key $(hex_of "$work/$site.key")"
        echo "preshared-key $(hex_of "$work/psk")"
        echo "static-shared $(/usr/bin/python3 -c '
import base64, sys
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
own, other = (base64.b64decode(open(path).read()) for path in sys.argv[1:])
print(X25519PrivateKey.from_private_bytes(own).exchange(X25519PublicKey.from_public_bytes(other)).hex())' \
            "$work/$site.key" "$work/$other.pub")"
        # The key of an SA ends with 4 bytes of salt, which are no secret.
        cat "$work/keys-a" "$work/keys-b" | sed -n 's/.*","0x\([0-9a-f]*\)[0-9a-f]\{8\}","NULL".*/\1/p' | sort -u \
            | awk '{ print "session-" NR, $1 }'
    } >"$work/$site.secrets"
    echo "public-key $(hex_of "$work/$site.pub")" >"$work/$site.public"
    (($(grep -c session "$work/$site.secrets") >= 12)) || fail "three sessions have at least 12 keys: $(cat "$work/$site.secrets")"
done

for site in site-a site-b; do
    say "the core of $site"
    threads=$(find "/proc/${daemon[$site]}/task" -mindepth 1 -maxdepth 1 | wc -l)
    pid=${daemon[$site]}
    unset "daemon[$site]"
    dump "$pid" "$work/$site.cores"
    "$here/core_scan.py" "$core" "$work/$site.secrets" "$work/$site.public" | tee "$work/scan.log" || fail "secrets in the core of $site"
    grep -q " $threads threads" "$work/scan.log" || fail "not the registers of $threads threads"
    rm "$core"
done

say "without --core-dumps there is none"
start site-a
pid=${daemon[site-a]}
grep -q '^Max core file size *0 *0 ' "/proc/$pid/limits" || fail "cores are not limited to nothing"
unset "daemon[site-a]"
(cd "$work/site-a.cores" && kill -ABRT "$pid")
wait_for "site-a ends" 10 gone "$pid"
