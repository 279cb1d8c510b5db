#!/bin/bash
# The part of package_test.sh that a systemd runs in the bare Debian 12: the units as they are installed. It says "all is well"
# last if so.
set -euo pipefail
export WEFT_CONTROL=/run/weft/site-a.sock

fail() {
    echo "FAILED: $*"
    journalctl --no-pager -q -u weftd | tail -n 20
    exit 1
}

say() { echo "--- $*"; }

is() { [[ $2 == "$3" ]] || fail "$1: $2, not $3"; }

pid_of() { systemctl show -P MainPID weftd; }

warnings() { weft status | grep '^warning' || true; }

dpkg -i /weft.deb >/log 2>&1 || { cat /log; fail "dpkg -i"; }
is "the node" "$(systemctl is-active weftd || true)" inactive

say "a node with a bridge and a device starts, and answers"
(umask 077; weft genkey >/etc/weft/private.key)
chown weft /etc/weft/private.key
sed 's/^name = "lan"$/&\ngateway = ["10.10.0.1\/24", "fd00:10::1\/64"]/' /usr/share/doc/weft/examples/weft.toml >/etc/weft/weft.toml
systemctl enable --now weftd 2>/log || { cat /log; fail "systemctl enable --now weftd"; }
weft status
is "warnings" "$(warnings)" ""
is "its user" "$(sed -n 's/^Uid:\t\([0-9]*\)\t.*/\1/p' "/proc/$(pid_of)/status")" "$(id -u weft)"

say "masqueraded: the table can be installed, and the unit's sandbox keeps it from switching on what the host has off"
sed -i 's/^gateway = .*/&\nmasquerade = true/' /etc/weft/weft.toml
systemctl restart weftd || fail "it does not start"
[[ -e /sys/class/net/weft-out ]] || fail "there is no weft-out"
warnings | grep -q 'does not forward IPv4.*masquerade.conf' || fail "it does not warn: $(warnings)"
is "forwarding" "$(cat /proc/sys/net/ipv4/ip_forward)" 0

say "with masquerade.conf it may"
mkdir /etc/systemd/system/weftd.service.d
cp /usr/share/doc/weft/examples/weftd.service.d/masquerade.conf /etc/systemd/system/weftd.service.d
systemctl daemon-reload
systemctl restart weftd || fail "it does not start"
is "warnings" "$(warnings)" ""
is "forwarding" "$(cat /proc/sys/net/ipv4/ip_forward)$(cat /proc/sys/net/ipv6/conf/all/forwarding)" 11

say "a changed configuration is taken by a reload, in the unit's sandbox as well"
before=$(pid_of)
cp /etc/weft/weft.toml /log.toml
sed -i 's/^masquerade = true$//' /etc/weft/weft.toml
printf '\n[[port]]\nname = "more"\ntype = "tap"\nbridge = "lan"\n' >>/etc/weft/weft.toml
systemctl reload weftd 2>/log || fail "it does not reload"
for _ in {1..30}; do
    [[ -e /sys/class/net/more ]] && break
    sleep 0.1
done
[[ -e /sys/class/net/more && ! -e /sys/class/net/weft-out ]] || fail "the devices are $(ls /sys/class/net)"
cp /log.toml /etc/weft/weft.toml
systemctl reload weftd 2>/log || fail "it does not reload"
for _ in {1..30}; do
    [[ -e /sys/class/net/weft-out ]] && break
    sleep 0.1
done
[[ -e /sys/class/net/weft-out && ! -e /sys/class/net/more ]] || fail "the devices are $(ls /sys/class/net)"
is "its process" "$(pid_of)" "$before"
is "warnings" "$(warnings)" ""

say "killed, it is started again"
killed=$(pid_of)
kill -9 "$killed"
for _ in {1..50}; do
    [[ $(pid_of) != "$killed" ]] && weft status >/dev/null 2>&1 && break
    sleep 0.1
done
is "the node" "$(systemctl is-active weftd)" active
is "warnings" "$(warnings)" ""

index() { cat /sys/class/net/lan0/ifindex; }
say "a restart goes on with its device, a stop takes it away"
device=$(index)
systemctl restart weftd || fail "it does not start"
is "the device's index" "$(index)" "$device"
is "warnings" "$(warnings)" ""
systemctl stop weftd
[[ ! -e /sys/class/net/lan0 ]] || fail "lan0 has outlived systemctl stop"
systemctl start weftd || fail "it does not start"
device=$(index)

say "an upgrade restarts it, and only it"
before=$(pid_of)
dpkg -i /weft.deb >/log 2>&1 || { cat /log; fail "dpkg -i"; }
is "the node" "$(systemctl is-active weftd)" active
[[ $(pid_of) != "$before" ]] || fail "it was not restarted"
is "the device's index" "$(index)" "$device"
is "the other node" "$(systemctl is-active weftd@other || true)" inactive

say "a second node, by the template"
sed 's/^name = "site-a".*/name = "other"/; s/"lan0"/"lan1"/; /^address/d; /^gateway/d; /^masquerade/d' /etc/weft/weft.toml >/etc/weft/other.toml
printf '\n[underlay]\nesp = "0.0.0.0:4501"\n' >>/etc/weft/other.toml
systemctl start weftd@other || { journalctl --no-pager -q -u weftd@other | tail -n 5; fail "weftd@other"; }
weft --control /run/weft/other.sock status >/dev/null || fail "it does not answer"
weft --control /run/weft/site-a.sock status >/dev/null || fail "the first one does not answer any more"

say "with netns.conf, fastpath.conf and packet.conf: a veth into a namespace, and the fast path"
mkdir -p /run/netns
touch /run/netns/host-a
unshare --net=/run/netns/host-a true
printf '\n[[port]]\nname = "c1"\ntype = "veth"\nnetns = "host-a"\nbridge = "lan"\naddress = ["10.10.0.12/24"]\n' >>/etc/weft/weft.toml
cp /usr/share/doc/weft/examples/weftd.service.d/{netns,fastpath,packet}.conf /etc/systemd/system/weftd.service.d
systemctl daemon-reload
systemctl restart weftd || fail "it does not start"
weft status
weft ports | grep '^c1 ' || fail "there is no port c1"
compgen -G '/sys/class/net/weftv*' >/dev/null || fail "it is no veth: $(journalctl -q --no-pager -u weftd | grep 'port c1')"
is "warnings" "$(warnings)" ""

say "removing the package stops both, and their devices are gone"
dpkg -r weft >/log 2>&1 || { cat /log; fail "dpkg -r"; }
for unit in weftd weftd@other; do is "$unit" "$(systemctl is-active $unit || true)" inactive; done
left=$(compgen -G '/sys/class/net/weft*' || true)
[[ -z $left && ! -e /sys/class/net/lan0 && ! -e /sys/class/net/lan1 ]] || fail "devices are left: $(ls /sys/class/net)"
dpkg -P weft >/log 2>&1 || { cat /log; fail "dpkg -P"; }
[[ ! -L /etc/systemd/system/multi-user.target.wants/weftd.service ]] || fail "it is still enabled"
echo "all is well"
