#!/bin/bash
# Wireshark's own decoder reads what weft sends, with the keys of the keylog: every ESP packet decrypts, and the VXLAN or the
# IP in it is dissected. The ICVs are checked by a second implementation (esp_icv.py), because tshark 4.0 does not know the
# high half of the sequence number that they cover.
. "$(dirname "$0")/lib.sh"
need tshark tcpdump
/usr/bin/python3 -c 'import cryptography' 2>/dev/null || skip "needs python3-cryptography: scripts/packages test"

underlay
like_a_wire site-a site-b
capture router to-a "$work/esp.pcap" 'udp port 4500'
key site-a site-b
{ ports a 1; peer site-b 2 'endpoint = "203.0.113.2:4500"'; } | config site-a "keylog = \"$work/keys-a\""
{ ports b 2; peer site-a 1; } | config site-b "keylog = \"$work/keys-b\""
start site-a site-b
wait_for "the first ping" 15 reaches host-a 10.10.0.12
wait_for "IPv6 over L3" 15 reaches host-a fd00:20:2::1
pings host-a 10.10.0.12 5
pings host-a 10.20.2.1 5
pings host-a fd00:20:2::1 5
tcp host-a host-b 10.10.0.12 100000
tcp host-b host-a 10.20.1.1 100000
captured

say "the keylog is for its owner only, and the daemon warned"
[[ $(stat -c %a "$work/keys-a") == 600 ]] || fail "the keylog's mode is $(stat -c %a "$work/keys-a"), not 600"
grep -qi 'warn.*keylog\|keylog.*warn' "$work/site-a.log" || fail "no warning that keys are being written"
cat "$work/keys-a"

say "tshark"
mkdir "$work/wireshark"
cat "$work/keys-a" "$work/keys-b" | grep -v ChaCha20 | sort -u >"$work/wireshark/esp_sa"
fields() {
    WIRESHARK_CONFIG_DIR=$work/wireshark tshark -r "$work/esp.pcap" -o esp.enable_encryption_decode:TRUE \
        -o esp.enable_authentication_check:TRUE -Y "$1" -T fields -E separator=' ' -e frame.number -e esp.spi -e esp.protocol \
        -e vxlan.vni -e esp.icv_good -e frame.protocols 2>"$work/tshark.log"
}
total=$(fields esp | wc -l)
# Next header 17: a UDP header and VXLAN, with its own frame in it; 4 and 41: IPv4 and IPv6; 59: a dummy, nothing to dissect.
l2=$(fields 'esp.protocol == 17 && vxlan.vni == 100' | grep -c 'esp:udp:vxlan:eth:')
l3=$(fields 'esp.protocol == 4 || esp.protocol == 41' | grep -cE 'esp:(ip|ipv6):')
dummies=$(fields 'esp && !esp.protocol' | wc -l)
malformed=$(fields 'esp && _ws.malformed' | wc -l)
echo "$total ESP packets: $l2 with VXLAN and a frame, $l3 with IP, $dummies without dissectable payload"
((l2 > 50 && l3 > 50)) || fail "too few packets were decrypted"
((malformed == 0)) || fail "$malformed packets are malformed: $(fields '_ws.malformed' | head -3)"

say "every ICV, over SPI, 64-bit sequence number and ciphertext"
summary=$("$here/esp_icv.py" "$work/esp.pcap" "$work/keys-a" "$work/keys-b") || fail "$summary"
echo "$summary"
really_dummies=$(sed -n 's/.* \([0-9]*\) dummies.*/\1/p' <<<"$summary")
((dummies == really_dummies)) || fail "tshark could not decrypt $((dummies - really_dummies)) of $total packets"
((l2 + l3 + dummies == total)) || fail "$total packets, but $l2 + $l3 + $dummies are accounted for"
if fields 'esp.icv_good == 1' | grep -q .; then
    ((total == $(fields 'esp.icv_good == 1' | wc -l))) || fail "tshark finds some ICVs bad"
    echo "tshark finds every ICV good"
fi
