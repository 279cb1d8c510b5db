#!/bin/bash
# The part of package_test.sh that runs in the bare Debian 12, as its root, with /weft.deb in it.
set -euo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

say() { echo "--- $*"; }

quietly() { "$@" >/log 2>&1 || { cat /log; fail "$*"; }; }

# Files and folders, but not dpkg's own, logs and caches, systemd's notes, and the copies of the tables of users and groups.
everything() {
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /var/lib/dpkg -o -path /var/log -o -path /var/cache -o -path /log \
        -o -path /run/systemd \) -prune -o -print | grep -vE '^/etc/((passwd|group|shadow|gshadow)-|\.pwd\.lock)$' | sort
}

mode_of() { stat -c '%U:%G %a' "$1"; }

is() { [[ $2 == "$3" ]] || fail "$1: $2, not $3"; }

everything >/var/log/before

say "it installs, with what it depends on and nothing else"
quietly dpkg -i /weft.deb
is "state" "$(dpkg-query -W -f '${db:Status-Abbrev}' weft)" "ii "
getent passwd weft | grep -q ':/usr/sbin/nologin$' || fail "there is no user weft who cannot log in"
is /run/weft "$(mode_of /run/weft)" "weft:weft 755"
is /var/lib/weft "$(mode_of /var/lib/weft)" "weft:weft 700"
is /etc/weft "$(mode_of /etc/weft)" "root:weft 750"
for program in weft weftd; do
    ldd "/usr/bin/$program" | grep 'not found' && fail "$program lacks a library"
    "$program" --version
done
CNI_COMMAND=VERSION /usr/lib/cni/weft </dev/null | grep -q supportedVersions || fail "the CNI plugin does not run"
[[ -e /usr/lib/x86_64-linux-gnu/libnftables.so.1 || $(uname -m) != x86_64 ]] || fail "libnftables, which is loaded at run time, is not there"

say "the example is a configuration, once there is a key"
cp /usr/share/doc/weft/examples/weft.toml /etc/weft/weft.toml
(umask 077; weft genkey >/etc/weft/private.key)
chown weft /etc/weft/private.key
weft check /etc/weft/weft.toml

say "systemd finds no fault with the units and starts no node by itself"
systemd-analyze verify weftd.service weftd@other.service 2>&1 | grep -i weft && fail "systemd-analyze verify"
is "the node" "$(systemctl is-enabled weftd.service 2>/dev/null)" disabled
quietly systemctl enable weftd.service

say "the node starts, becomes the user weft, answers, and ends"
weftd --config /etc/weft/weft.toml >/log 2>&1 &
daemon=$!
for _ in {1..50}; do
    weft --control /run/weft/site-a.sock status >/dev/null 2>&1 && break
    kill -0 "$daemon" 2>/dev/null || { cat /log; fail "weftd has ended"; }
    sleep 0.1
done
weft status || { cat /log; fail "it does not answer"; }
grep -q "^Uid:[[:space:]]*$(id -u weft)[[:space:]]" "/proc/$daemon/status" || fail "it is not the user weft"
kill "$daemon"
wait "$daemon" || { cat /log; fail "it ended with status $?"; }

say "an upgrade leaves the configuration as it is"
before=$(md5sum /etc/weft/*)
quietly dpkg -i /weft.deb
is "the configuration" "$(md5sum /etc/weft/*)" "$before"

say "removed: what the administrator has written, and what outlives a restart, stay"
quietly dpkg -r weft
[[ ! -e /usr/bin/weft && ! -e /usr/bin/weftd && ! -e /usr/lib/systemd/system/weftd.service && ! -e /run/weft ]] || fail "not all is gone"
is "the configuration" "$(md5sum /etc/weft/*)" "$before"
[[ -d /var/lib/weft ]] || fail "the state is gone"

say "purged: only the configuration and the keys stay"
quietly dpkg -P weft
[[ ! -e /var/lib/weft && ! -L /etc/systemd/system/multi-user.target.wants/weftd.service ]] || fail "not all is gone"
is "the configuration" "$(md5sum /etc/weft/*)" "$before"

say "without them nothing is left at all, but the user"
rm -r /etc/weft
quietly dpkg -i /weft.deb
quietly dpkg -P weft
everything >/var/log/after
diff /var/log/before /var/log/after || fail "something is left"
