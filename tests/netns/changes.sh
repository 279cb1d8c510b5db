#!/bin/bash
# A node is changed while it runs: what stays loses nothing, what is wrong changes nothing, what has changed counts from the
# acknowledgement on, also for flows that the kernel carries.
. "$(dirname "$0")/lib.sh"
need python3

ns c1 c2 c3 c4 node remote
key node elsewhere
link node under remote under
address node under 192.0.2.1/24
address remote under 192.0.2.2/24 192.0.2.3/24

# Where c1 is routed to, and a peer that is never there.
beside() {
    cat <<END
[[bridge]]
name = "other"
gateway = ["10.8.0.254/24"]

[[port]]
name = "c4"
type = "veth"
device = "eth0"
netns = "$(ns_name c4)"
bridge = "other"

[[peer]]
name = "elsewhere"
public_key = "$(public_key elsewhere)"
END
}

write_config() {
    {
        beside
        cat <<END

[[bridge]]
name = "lan"
vni = 100
gateway = ["10.7.0.254/24"]
END
        for name in c1 c2 c3; do
            cat <<END

[[port]]
name = "$name"
type = "veth"
device = "eth0"
netns = "$(ns_name "$name")"
bridge = "lan"
END
        done
        cat <<END

[[peer]]
name = "remote"
encryption = "none"
endpoint = "192.0.2.2:4789"
bridges = ["lan"]
END
    } | config node "workers = ${WEFT_WORKERS-1}"
}
write_config
start node
for n in 1 2; do address "c$n" eth0 "10.0.0.$n/24"; done
wait_for "c2 is reached" 10 reaches c1 10.0.0.2

say "what is not changed is not touched"
mac=$(mac_of c1 eth0)
spawn c1 "$work/ping.txt" ping -n -q -i 0.01 10.0.0.2
ping=$last_spawned
sed 's/^name = "c3"/name = "c3"\nvlan = 10/' "$work/node.toml" >"$work/vlan.toml"
grep -v '^endpoint' "$work/node.toml" >"$work/wrong.toml"
for _ in $(seq "${WEFT_ROUNDS-20}"); do
    weft node apply "$work/vlan.toml" >>"$work/apply.txt"
    ! weft node apply "$work/wrong.toml" 2>>"$work/wrong.txt" || fail "a wrong configuration was applied"
    weft node apply "$work/node.toml" >>"$work/apply.txt"
done
kill -INT "$ping"
wait "$ping" 2>/dev/null || true
cat "$work/ping.txt"
grep -q ' 0% packet loss' "$work/ping.txt" || fail "packets of ports that stay were lost"
[[ $(mac_of c1 eth0) == "$mac" ]] || fail "c1 has another device"

say "one clear error, and all is as it was"
head -1 "$work/wrong.txt"
grep -q 'wrong.toml:[0-9]*:[0-9]*: .*endpoint' "$work/wrong.txt" || fail "the error does not say where: $(head -1 "$work/wrong.txt")"
sed 's/netns = ".*-c3"/netns = "no-such-namespace"/' "$work/node.toml" >"$work/late.toml"
! weft node apply "$work/late.toml" 2>"$work/late.txt" || fail "a port in no namespace was applied"
cat "$work/late.txt"
grep -q 'nothing was changed.*no-such-namespace' "$work/late.txt" || fail "the error does not say what"
[[ $(query node ports '[.ports[] | select(.kind == "veth")] | length') == 4 ]] || fail "a port is missing after a change that failed"
sed 's/^workers = .*/workers = 7/' "$work/node.toml" >"$work/node2.toml"
! weft node apply "$work/node2.toml" 2>"$work/restart.txt" || fail "[node] was changed"
grep -q 'restart' "$work/restart.txt" || fail "the error does not say that it takes a restart"

say "a dry run says what would be done"
weft node apply --dry-run "$work/vlan.toml" | tee "$work/dry.txt"
grep -q 'change port c3 .*VLAN 10' "$work/dry.txt" || fail "the plan is wrong"
vlan_of_c3() { query node ports '.ports[] | select(.port == "c3") | .vlan'; }
[[ $(vlan_of_c3) == null ]] || fail "a dry run changed something"

say "what is not confirmed is taken back"
weft node apply --confirm 1s "$work/vlan.toml" | tail -1
[[ $(vlan_of_c3) == 10 ]] || fail "it was not applied"
back() { [[ $(vlan_of_c3) == null ]]; }
wait_for "the way back" 5 back
weft node apply --confirm 1s "$work/vlan.toml" >"$work/null.txt"
weft node confirm
sleep 1.5
[[ $(vlan_of_c3) == 10 ]] || fail "what was confirmed was taken back"

say "SIGHUP reads the file again"
kill -HUP "${daemon[node]}"
wait_for "the file's VLANs" 5 back

say "flows, in the kernel if it has them, under ${WEFT_CHANGES-150} changes"
{ sed '/^\[\[bridge\]\]/,$d' "$work/node.toml"; beside; } >"$work/head.toml"
for n in 1 2; do on "c$n" ip address flush dev eth0; done
address c1 eth0 10.7.0.1/24
address c4 eth0 10.8.0.1/24
on c1 ip route add default via 10.7.0.254
on c4 ip route add default via 10.8.0.254
wait_for "c4 is reached" 10 reaches c1 10.8.0.1
python3 "$here/changing_node.py" "${WEFT_CHANGES-150}" "$work/node.sock" "$work/head.toml" \
    "$(ns_name c1)" "$(ns_name c2)" "$(ns_name c3)" "$(ns_name c4)" "$(ns_name remote)" || fail "packets went the old way, or were lost"
query node flows '.flow_table'
