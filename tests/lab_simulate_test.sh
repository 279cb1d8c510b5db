#!/bin/bash
# `weft lab simulate` from a file to a capture: the same seed twice gives the same bytes, another one others, and tshark reads
# them: every frame, with every checksum right and nothing malformed, and the names of the interfaces.
set -euo pipefail
lab=$1
here=$(dirname "$0")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $*"
    exit 1
}

cat >"$work/lab.toml" <<'TOML'
[lab]
name = "captured"
length = "20s"

[[host]]
name = "client"

[[host]]
name = "server"

[[switch]]
name = "lan"

[[router]]
name = "gate"

[[link]]
name = "access"
ends = ["client", "lan"]

[[link]]
name = "uplink"
ends = ["lan", "gate"]

[[link]]
name = "wan"
ends = ["gate", "server"]
impair = { delay = "20ms", jitter = "2ms", rate = "5mbit", loss = "0.5%" }

[[traffic]]
name = "pings"
kind = "ping"
from = "client"
to = "server"
rate = 10

[[traffic]]
name = "calls"
kind = "poisson"
from = "server"
to = "client"
rate = "64kbit"
size = 160

[[traffic]]
name = "download"
kind = "tcp"
from = "server"
to = "client"
start = "1s"
stop = "15s"

[[event]]
at = "5s"
link = "wan"
direction = "there"
up = false

[[event]]
at = "6s"
link = "wan"
direction = "there"
up = true
TOML

"$lab" simulate "$work/lab.toml" --pcapng "$work/one.pcapng" | tee "$work/report"
"$lab" simulate "$work/lab.toml" --pcapng "$work/two.pcapng" --json >"$work/two.json"
"$lab" simulate "$work/lab.toml" --pcapng "$work/other.pcapng" --seed 2 >/dev/null
"$lab" simulate "$work/lab.toml" --pcapng - --capture wan --length 2s >"$work/wan.pcapng" 2>"$work/wan.report"
sha256sum "$work"/*.pcapng | sed "s#$work/##"
cmp "$work/one.pcapng" "$work/two.pcapng" || fail "the same seed makes another capture"
! cmp -s "$work/one.pcapng" "$work/other.pcapng" || fail "another seed makes the same capture"
grep -q '^download *tcp *server *client' "$work/report" || fail "the report does not tell of the download"
grep -q wan "$work/wan.report" || fail "the report is lost when the capture goes to standard output"

# A thousand links.
began=$SECONDS
"$lab" simulate "$here/simulations/thousand_links.toml" --length 1m --json >"$work/thousand.json"
jq -e '(.links | length) == 1000 and ([.traffic[] | select(.kind == "ping") | .missing_packets] | add) == 0' \
    "$work/thousand.json" >/dev/null || fail "pings across 1000 links are missing"
echo "a minute of 1000 links took $((SECONDS - began)) s: $(jq .delivered_packets "$work/thousand.json") packets carried by links"

if ! command -v tshark >/dev/null; then
    echo "SKIPPED: tshark is not here (package tshark)"
    exit 77
fi

read_by_tshark() {
    WIRESHARK_CONFIG_DIR=$work/wireshark tshark -r "$work/one.pcapng" -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE \
        -o tcp.check_checksum:TRUE -o tcp.relative_sequence_numbers:TRUE "$@" 2>>"$work/complaints"
}

frames=$(read_by_tshark -T fields -e frame.number | wc -l)
delivered=$(jq .delivered_packets "$work/two.json")
echo "$frames frames, of which links have delivered $delivered"
# Each is seen where it begins and, if it arrives, where it ends.
((frames >= 2 * delivered && frames < 2 * delivered + delivered / 10)) || fail "there should be about twice as many"
bad=$(read_by_tshark -Y '_ws.malformed || ip.checksum.status == "Bad" || udp.checksum.status == "Bad" ||
    tcp.checksum.status == "Bad" || icmp.checksum.status == "Bad"' | head -5) || true
[[ -z $bad ]] || fail "tshark finds bad frames: $bad"
names=$(read_by_tshark -T fields -e frame.interface_name | sort -u | tr '\n' ' ')
[[ $names == "client:"*" gate:"*" gate:"*" lan:access lan:uplink server:"* ]] || fail "the interfaces are named $names"
first=$(read_by_tshark -c 1 -T fields -e frame.time_epoch)
[[ $first == 946684800.000000000 ]] || fail "time begins at $first"
for what in 'tcp.flags.syn == 1 && tcp.options.mss_val == 1448' 'tcp.options.sack.count >= 1' 'tcp.analysis.fast_retransmission ||
    tcp.analysis.retransmission' 'tcp.flags.fin == 1' 'icmp.type == 0' 'arp.opcode == 2'; do
    [[ -n $(read_by_tshark -Y "$what" | head -1) ]] || fail "no frame is: $what"
done
[[ -z $(grep -v 'Running as user' "$work/complaints" || true) ]] || fail "tshark complains: $(cat "$work/complaints")"
echo "tshark reads it"
