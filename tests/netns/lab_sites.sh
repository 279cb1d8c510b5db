#!/bin/bash
# The configuration files of two sites, as they are: in a lab, by plain weftd in namespaces of the machine, and simulated. What
# reaches what is the same; a site that is killed is told.
. "$(dirname "$0")/lib.sh"
. "$here/lab_lib.sh"

mkdir "$work/files"
cd "$work/files"
key site-a site-b
site() {
    local letter=$1 number=$2 other=$3 peer=$4
    cat <<END
[node]
name = "site-$letter"
control = "$work/files/site-$letter.sock"
state_dir = "$work/files"
private_key_file = "$work/site-$letter.key"
[[bridge]]
name = "lan"
vni = 100
[[port]]
name = "lan0"
type = "tap"
netns = "NETNS-host-$letter"
bridge = "lan"
address = ["10.10.0.$number/24"]
[[port]]
name = "weft0"
type = "tun"
netns = "NETNS-host-$letter"
address = ["10.20.$number.1/24"]
[[peer]]
name = "site-$other"
public_key = "$(public_key "site-$other")"
endpoint = "192.0.2.$peer:4500"
bridges = ["lan"]
prefixes = ["10.20.$peer.0/24"]
END
}
# The namespaces of the machine have this test's number in their names; in a lab the nodes are called as the file says.
site a 1 b 2 | sed "s/NETNS/$prefix/" >site-a.toml
site b 2 a 1 | sed "s/NETNS/$prefix/" >site-b.toml
cat >sites.toml <<END
[[site]]
name = "site-a"
config = "site-a.toml"
[[site]]
name = "site-b"
config = "site-b.toml"
[[host]]
name = "$prefix-host-a"
routes = [{ to = "10.77.0.0/24", via = "10.10.0.2" }]
[[host]]
name = "$prefix-host-b"
[[link]]
name = "wan"
ends = ["site-a", "site-b"]
address = ["192.0.2.1/24", "192.0.2.2/24"]
[[traffic]]
kind = "ping"
from = "$prefix-host-a"
to = "$prefix-host-b"
END

# table COMMAND...: a line for each pair of host and address, with whether it is reached, by COMMAND HOST ping.
table() {
    local host to
    for host in host-a host-b; do
        for to in 10.10.0.1 10.10.0.2 10.20.1.1 10.20.2.1 10.10.0.3 192.0.2.1; do
            if "$@" "$host" ping -n -q -c 1 -W 1 "$to" >/dev/null 2>&1; then echo "$host $to yes"; else echo "$host $to no"; fi
        done
    done
}

in_lab() { local host=$1; shift; lab exec "$prefix-$host" "$@"; }

say "in a lab"
lab up sites.toml
wait_for "the sites have found each other" 15 in_lab host-a ping -n -q -c 1 -W 1 10.10.0.2
table in_lab | tee "$work/in_lab"
lab exec site-a weft peers | grep -q "site-b" || fail "weft does not ask the site's weftd"
in_lab host-a ip route get 10.77.0.1 | grep -q "via 10.10.0.2 dev lan0" || fail "no route by what the site has made"

say "a site is killed"
told() { lab status | grep "warning: site site-b: weftd has ended"; }
lab exec site-b pkill -KILL -f -- "--config $work/files/site-b.toml"
wait_for "the lab tells it" 5 told
lab down

say "by plain weftd"
ns site-a site-b host-a host-b
link site-a eth0 site-b eth0
address site-a eth0 192.0.2.1/24
address site-b eth0 192.0.2.2/24
for site in site-a site-b; do
    spawn "$site" "$work/$site.log" "$WEFT_BIN/weftd" --config "$work/files/$site.toml"
done
wait_for "the sites have found each other" 15 on host-a ping -n -q -c 1 -W 1 10.10.0.2
table on >"$work/by_weftd"
diff "$work/in_lab" "$work/by_weftd" || fail "what is reached is not the same"
grep -q "host-a 10.20.2.1 yes" "$work/in_lab" || fail "nothing is reached through the tunnel"

say "simulated, with the same keys"
lab_simulated() { "$WEFT_BIN/weft" lab --json simulate sites.toml --length 5m; }
lab_simulated >"$work/simulated" || fail "it is not simulated"
jq -e '.notes == [] and .traffic[0].received_packets >= 299 and (.peers | all(.handshakes >= 2))' "$work/simulated" >/dev/null ||
    { cat "$work/simulated"; fail "the simulated hosts do not reach each other"; }
