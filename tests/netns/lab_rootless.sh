#!/bin/bash
# A lab of a user who is nobody: no root, no subordinate ids, no home. With hosts, links, sites with their weftd, live changes,
# captures and scripts; and root of the machine is told apart from root of the lab.
. "$(dirname "$0")/lib.sh"
. "$here/lab_lib.sh"
need setpriv

user=54321
chmod 711 "$work"
mkdir "$work/user" "$WEFT_LAB_FOLDER"
cd "$work/user"
lab() {
    setpriv --reuid "$user" --regid "$user" --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs \
        env HOME=/nonexistent WEFT_LAB_FOLDER="$WEFT_LAB_FOLDER" "$WEFT_BIN/weft" lab "$@"
}
setpriv --reuid "$user" --regid "$user" --clear-groups test -x "$WEFT_BIN/weft-lab" || skip "no other user can come to $WEFT_BIN"
setpriv --reuid "$user" --regid "$user" --clear-groups unshare -Ur true 2>/dev/null || skip "no user namespaces for users here"

cat >sites.toml <<'END'
[lab]
name = "sites"
init = [
  "umask 077; for s in a b; do weft genkey > $s.key; weft pubkey < $s.key > $s.pub; done",
  "umask 077; for s in a b; do ./site $s > $s.toml; done",
]
[[site]]
name = "site-a"
config = "a.toml"
[[site]]
name = "site-b"
config = "b.toml"
[[host]]
name = "host-a"
[[host]]
name = "host-b"
[[link]]
name = "wan"
ends = ["site-a", "site-b"]
address = ["192.0.2.1/24", "192.0.2.2/24"]
impair = { delay = "5ms" }

[[step]]
name = "a site sees its own interfaces"
on = "site-a"
run = "ls /sys/class/net | xargs"
expect = "eth0 lo"

[[step]]
name = "the hosts reach each other through the tunnel"
on = "host-a"
run = "ping -n -q -c 3 -i 0.2 -W 1 10.10.0.2"
expect = " 0% packet loss"
retry = true
END
cat >site <<'END'
#!/bin/sh
own=$1
if [ "$own" = a ]; then number=1 other=b peer=2; else number=2 other=a peer=1; fi
cat <<TOML
[node]
name = "site-$own"
user = "weft"
private_key_file = "$own.key"
[[bridge]]
name = "lan"
vni = 100
[[port]]
name = "lan0"
type = "tap"
netns = "host-$own"
bridge = "lan"
address = ["10.10.0.$number/24"]
[[peer]]
name = "site-$other"
public_key = "$(cat $other.pub)"
endpoint = "192.0.2.$peer:4500"
bridges = ["lan"]
TOML
END
chmod +x site
chown -R "$user:$user" "$work/user" "$WEFT_LAB_FOLDER"

say "sites as a nobody, in a script"
lab run sites.toml || { cat "$WEFT_LAB_FOLDER"/*/*.log; fail "the script failed"; }

say "up, and looked at"
lab up sites.toml
wait_for "the hosts reach each other" 10 lab exec host-a ping -n -q -c 1 -W 1 10.10.0.2
check_sys site-a eth0 lo
check_sys host-a lan0 lo
[[ $(lab exec site-a id -u) == 0 ]] || fail "the user is not root in the lab"
lab exec site-a weft status | tee said
grep -q "site-a" said || fail "weft does not ask the site's weftd"
! grep -q "runs as root" said || fail "weftd takes the lab's root for the machine's"
runner=$(pgrep -u "$user" -x weft-lab-runner)
[[ -n $runner ]] || fail "the lab is another user's"
[[ $(own_interfaces) == "$interfaces_before" ]] || fail "an interface is seen outside"
lab exec host-a sh -c 'echo x > /etc/weft-lab-was-here' 2>/dev/null && fail "the lab's root writes as the machine's"
lab set wan delay=30ms
lab exec site-a ping -n -q -c 2 -W 1 192.0.2.2 | awk -F/ '/^rtt/ { exit !($5 > 60 && $5 < 75) }' || fail "the change is not seen"
lab down
no_process() { ! pgrep -u "$user"; }
wait_for "the user has no process any more" 5 no_process  # whoever is the machine's first process waits for it

say "a /sys of which parts are hidden, as in a container, stays as it is"
cat >hidden.toml <<'END'
[[host]]
name = "h"
run = ["ls /sys/kernel >kernel"]
[[step]]
on = "h"
run = "ls /sys/kernel /sys/class/net/lo"
END
chown "$user" hidden.toml
unshare -m sh -c 'mount -t tmpfs none /sys/kernel && exec "$@"' - setpriv --reuid "$user" --regid "$user" --clear-groups \
    env WEFT_LAB_FOLDER="$WEFT_LAB_FOLDER" "$WEFT_BIN/weft" lab run hidden.toml || fail "no lab where parts of /sys are hidden"
[[ -e kernel && ! -s kernel ]] || fail "a user sees what is hidden"

say "an interface of the machine is not a user's to give"
cat >real.toml <<'END'
[[interface]]
name = "outside"
device = "lo"
[[host]]
name = "h"
[[link]]
ends = ["h", "outside"]
END
chown "$user" real.toml
said=$(lab up real.toml 2>&1) && fail "a user gives lo away"
[[ $said == *"root alone"* ]] || fail "no cure: $said"

say "user namespaces are forbidden"
cp real.toml "$work/forbidden.toml"
# shellcheck disable=SC2016
said=$(WEFT_LAB_FOLDER=$work/forbidden unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$0" lab up --rootless "$1"' \
    "$WEFT_BIN/weft" "$work/forbidden.toml" 2>&1) && fail "a lab without namespaces"
echo "$said"
[[ $said == *"cannot make a user namespace"*"sysctl user.max_user_namespaces"* ]] || fail "no cure: $said"
before_exit() { lab down --all >/dev/null 2>&1; }
