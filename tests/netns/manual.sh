#!/bin/bash
# Keys set by hand: two sites without a handshake. A site that restarts, even after a crash, goes on with the same keys and never
# with the same IV, and takes nothing that came before; Wireshark's decoder and a second implementation read all of it.
. "$(dirname "$0")/lib.sh"
need tshark tcpdump
/usr/bin/python3 -c 'import cryptography' 2>/dev/null || skip "needs python3-cryptography: scripts/packages test"

underlay
like_a_wire site-a site-b
for direction in a-to-b b-to-a; do head -c 20 /dev/urandom | base64 >"$work/$direction.key"; done

# manual SITE NUMBER ENDPOINT SEND SPI RECEIVE SPI
manual() {
    cat <<END

[[peer]]
name = "$1"
endpoint = "$3"
bridges = ["lan"]
prefixes = ["10.20.$2.0/24", "fd00:20:$2::/64"]

[peer.manual]
cipher = "aes-128-gcm"
send = { spi = $5, key_file = "$work/$4.key" }
receive = { spi = $7, key_file = "$work/$6.key" }
counter_file = "$work/$4.counter"
END
}
{ ports a 1; manual site-b 2 203.0.113.2:4500 a-to-b 0x1001 b-to-a 0x1002; } | config site-a "keylog = \"$work/keys-a\""
{ ports b 2; manual site-a 1 198.51.100.2:4500 b-to-a 0x1002 a-to-b 0x1001; } | config site-b "keylog = \"$work/keys-b\""

say "without a counter file nobody knows whether the keys are new: a node does not start"
refused() { # PATTERN
    local status=0 said
    said=$(on site-a timeout 20 "$WEFT_BIN/weftd" --config "$work/site-a.toml" 2>&1 </dev/null) || status=$?
    grep -E "$1" <<<"$said" || fail "says nothing like '$1': $said"
    [[ $status -eq 1 ]] || fail "exit status $status, not 1"
}
refused 'a-to-b\.counter.*No such file'
printf 'weft-sequence 1\n0x00001001 0\n' >"$work/a-to-b.counter"
printf 'weft-sequence 1\n0x00001002 0\n' >"$work/b-to-a.counter"

capture router to-a "$work/esp.pcap" 'udp port 4500'
start site-a site-b

traffic() {
    wait_for "traffic $1" 10 reaches host-a 10.10.0.12
    pings host-a 10.10.0.12 10
    pings host-b 10.20.1.1 10
    wait_for "IPv6 $1" 10 reaches host-a fd00:20:2::1
    tcp host-a host-b 10.20.2.1 100000
}
say "at first"
traffic "at first"
say "after a clean restart"
stop site-a
start site-a
traffic "after a restart of site-a"
say "after a crash of each"
crash site-b
start site-b
traffic "after a crash of site-b"
crash site-a
start site-a
traffic "after a crash of site-a"
captured

not_taken() { drops site-a replayed too_old auth_failed; }
all_refused() { (($(not_taken) - $1 >= $2)); }

# replayed: everything that site-a has been sent until now, once more. Nothing of it comes in.
replayed() {
    local sent before heard
    stop site-b  # whose hosts may say something at any time
    tcpdump -r "$work/esp.pcap" -w "$work/replay.pcap" 'src host 203.0.113.2' 2>>"$work/tcpdump.log"
    before=$(not_taken)
    heard=$(query site-a peers '.peers[0].rx_packets')
    sent=$(on router "$here/inject.py" replay "$work/replay.pcap")
    ((sent > 100)) || fail "only $sent datagrams to replay"
    wait_for "all $sent are refused" 10 all_refused "$before" "$sent"
    (($(query site-a peers '.peers[0].rx_packets') == heard)) || fail "something of it came in"
    echo "$sent replayed datagrams, none came in"
    start site-b
}
say "what site-a received before a clean restart is not taken again"
stop site-a
start site-a
replayed
traffic "after the replay"
say "nor what it received a second or more before a crash"
sleep 1.2
crash site-a
start site-a
replayed
traffic "after that replay"

say "every packet opens, and no IV comes twice"
"$here/esp_icv.py" "$work/esp.pcap" "$work/keys-a" "$work/keys-b"
[[ $(tcpdump -n -r "$work/esp.pcap" 'udp[8:4] = 0' 2>/dev/null | wc -l) == 0 ]] || fail "a handshake, but the keys are set by hand"

say "tshark decodes it"
mkdir "$work/wireshark"
sort -u "$work/keys-a" "$work/keys-b" >"$work/wireshark/esp_sa"
decoded() {
    WIRESHARK_CONFIG_DIR=$work/wireshark tshark -r "$work/esp.pcap" -o esp.enable_encryption_decode:TRUE \
        -Y "$1" 2>"$work/tshark.log" | wc -l
}
total=$(decoded esp)
inner=$(decoded 'esp && (vxlan.vni == 100 || esp.protocol == 4 || esp.protocol == 41)')
dummies=$(decoded 'esp && !esp.protocol')
echo "$total ESP packets: $inner with VXLAN or IP, $dummies dummies"
((inner > 200 && inner + dummies == total)) || fail "tshark reads $inner of $total packets"

say "such keys are not renewed by a command"
if weft site-a rekey site-b >"$work/rekey.out" 2>&1; then fail "keys set by hand are renewed"; fi
grep -q 'peer site-b: its keys are set by hand' "$work/rekey.out" || fail "$(cat "$work/rekey.out")"
[[ $(weft site-a rekey) == "no peer has a session: nothing to renew" ]] || fail "rekey of all peers"

say "a second daemon with the same counter file does not start"
sed "s/\"site-a\"/\"twin\"/; s/site-a\.sock/twin.sock/; s/^name = \"lan0\"/name = \"lan9\"/; s/^name = \"weft0\"/name = \"weft9\"/" "$work/site-a.toml" >"$work/twin.toml"
if on router timeout 20 "$WEFT_BIN/weftd" --config "$work/twin.toml" >"$work/twin.out" 2>&1; then fail "a twin uses site-a's numbers"; fi
grep -q 'another process uses it' "$work/twin.out" || fail "the twin says: $(cat "$work/twin.out")"

say "nor one that does not know what it has received, or sent"
stop site-a
mv "$work/a-to-b.counter.received" "$work/kept"
refused 'a-to-b\.counter\.received.*No such file'
echo rubbish >"$work/a-to-b.counter.received"
refused 'a-to-b\.counter\.received.*damaged'
mv "$work/kept" "$work/a-to-b.counter.received"
start site-a
wait_for "traffic with the file back in its place" 10 reaches host-a 10.10.0.12
stop site-a
echo rubbish >"$work/a-to-b.counter"
refused 'a-to-b\.counter'
