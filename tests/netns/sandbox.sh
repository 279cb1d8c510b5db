#!/bin/bash
# What is left to a daemon that has started as root: a user without a name, no capability, no way to get one, and only the
# system calls that its code names. It carries traffic, changes keys, resolves names, answers and ends as ever; a call that
# nothing in it makes is its end.
. "$(dirname "$0")/lib.sh"
# Sanitizers need more calls than weftd does, so their build has no filter.
WEFT_BIN=${WEFT_RELEASE_BIN-$root/build/release/bin}
[[ -x $WEFT_BIN/weftd ]] || skip "no release build: scripts/build makes it"
user=64999

# The folder of the control sockets, which the daemons make and clear: everybody may pass, the user may write.
chmod 711 "$work"
mkdir "$work/run"
chown "$user" "$work/run"

confined() {
    local site=$1 task status
    for task in "/proc/${daemon[$site]}"/task/*; do
        status=$(<"$task/status")
        value() { sed -n "s/^$1:[[:space:]]*//p" <<<"$status"; }
        [[ $(value Uid) == "$user"$'\t'"$user"$'\t'"$user"$'\t'"$user" ]] || fail "$task: Uid $(value Uid)"
        [[ $(value Gid) == "$user"$'\t'"$user"$'\t'"$user"$'\t'"$user" ]] || fail "$task: Gid $(value Gid)"
        [[ -z $(value Groups | tr -d ' ') ]] || fail "$task: Groups $(value Groups)"
        for set in CapInh CapPrm CapEff CapBnd CapAmb; do
            [[ $(value $set) == 0000000000000000 ]] || fail "$task: $set $(value $set)"
        done
        [[ $(value NoNewPrivs) == 1 ]] || fail "$task: NoNewPrivs $(value NoNewPrivs)"
        [[ $(value Seccomp) == 2 ]] || fail "$task: Seccomp $(value Seccomp)"
    done
    say "$site: $(find "/proc/${daemon[$site]}/task" -mindepth 1 -maxdepth 1 | wc -l) threads, each so:"
    grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' "/proc/${daemon[$site]}/status"
}

say "two sites; one knows the other by a name"
underlay
key site-a site-b
grep -q "[[:space:]]localhost" /etc/hosts || skip "/etc/hosts has no localhost"
{ ports a 1; peer site-b 2 'endpoint = "203.0.113.2:4500"'; cat <<END

[[peer]]
name = "nobody"
public_key = "$("$WEFT_BIN/weft" genkey | "$WEFT_BIN/weft" pubkey)"
endpoint = "localhost:4999"
END
} | config site-a "user = \"$user\"" 'workers = 2'
{ ports b 2; peer site-a 1; } | config site-b "user = \"$user\""
for site in site-a site-b; do sed -i "s#^control = .*#control = \"$work/run/$site.sock\"#" "$work/$site.toml"; done
weft() {
    local site=$1
    shift
    "$WEFT_BIN/weft" --control "$work/run/$site.sock" "$@"
}
# site-a tells a service manager that it is up, and that it stops.
NOTIFY_SOCKET=$work/run/notify
spawn site-a "$work/notified.txt" python3 -uc 'import os, socket, sys
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
while True: print(manager.recv(4096).decode())' "$NOTIFY_SOCKET"
wait_for "somebody listens for it" 5 test -S "$NOTIFY_SOCKET"
export NOTIFY_SOCKET
start site-a
unset NOTIFY_SOCKET
grep -qx 'READY=1' "$work/notified.txt" || fail "nobody was told that site-a is up"
start site-b
wait_for "the sites' first ping" 15 reaches host-a 10.10.0.12
confined site-a
confined site-b
# Programs that are open can be attached; that of the early drop is, to uplinks.
for site in site-a site-b; do
    programs=$(find "/proc/${daemon[$site]}/fd" -lname '*bpf-prog*' | wc -l)
    ((programs <= 1)) || fail "$site holds $programs programs"
    echo "$site holds $programs program"
done

say "it works"
pings host-a 10.10.0.12
pings host-b 10.20.1.1
tcp host-a host-b 10.20.2.1
tcp host-b host-a 10.10.0.11
for command in status ports fdb routes peers drops; do weft site-a "$command" >/dev/null || fail "weft $command"; done
wait_for "the peer that has a name is found by it" 10 \
    sh -c "'$WEFT_BIN/weft' --control '$work/run/site-a.sock' peers --json | jq -e '.peers[] | select(.peer == \"nobody\") | .endpoint != null'"
weft site-a status --json | jq -e '.warnings == []' >/dev/null || fail "warnings: $(weft site-a status --json | jq -c .warnings)"

say "it denies, by a program that is attached now if there is any"
weft site-a deny add 192.0.2.0/24
[[ ${WEFT_FAST_PATH-} == off ]] || weft site-a status | grep 'early drop' || fail "nothing is said of the uplink"
for command in show 'del 192.0.2.0/24' show; do
    # shellcheck disable=SC2086
    weft site-a deny $command || fail "weft deny $command"
done
pings host-a 10.10.0.12

say "it meets a peer that has restarted"
crash site-b
start site-b
wait_for "traffic after the restart" 15 reaches host-a 10.10.0.12
pings host-b 10.20.1.1

say "it ends as it should, and leaves nothing"
stop site-b
[[ ! -e $work/run/site-b.sock ]] || fail "the control socket is still there"
on host-b ip -o link show | grep -qE 'lan0|weft0' && fail "devices are left behind"

say "its memory is nobody else's"
[[ $(stat -c %U "/proc/${daemon[site-a]}/maps") == root ]] || fail "a process of the same user could trace it"
locked=$(awk '/^VmLck/ { print $2 }' "/proc/${daemon[site-a]}/status")
((locked > 0)) || fail "no memory is locked"
echo "$locked KiB locked"

say "a call that nothing in it makes is its end"
command -v gdb >/dev/null || skip "the last part needs gdb"
pid=${daemon[site-a]}
unset "daemon[site-a]"
# As a hijacked daemon would: it makes a socket of a family that is not its own.
(ulimit -c 0 && exec gdb -q -nx -batch -p "$pid" -ex 'call (int) socket(17, 3, 0)' >"$work/gdb.log" 2>&1) || true
status=0
wait "$pid" || status=$?
((status == 128 + 31)) || fail "AF_PACKET: status $status, not that of SIGSYS: $(tail -n 3 "$work/gdb.log")"
