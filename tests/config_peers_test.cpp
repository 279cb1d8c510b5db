// What [[peer]] and [peer.manual] say about themselves, and their key files.
#include <unistd.h>

#include "tests/support/config_mistake.h"

namespace weft::test {

namespace {

// clang-format off
const std::vector<Mistake> mistakes{
    {"a peer without a key",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
)",
     {R"(4:1: an encrypted peer needs a key: add public_key = "...", as weft pubkey prints it at the peer)"}},
    {"a malformed public key",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQID"
)",
     {R"(6:14: this is not a public key: write what weft pubkey prints at the peer (44 characters))"}},
    {"a misspelled encryption",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
encryption = "non"
)",
     {R"(7:14: 'non' is not an encryption: did you mean 'none'?)"}},
    {"an endpoint without a port",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
endpoint = "192.0.2.2"
)",
     {R"(7:12: '192.0.2.2' is not a host and a port: write it as in "192.0.2.2:4500", "[2001:db8::2]:4500" or "host.example:4500")"}},
    {"an endpoint with a port of 17 bits",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
endpoint = "192.0.2.2:70000"
)",
     {R"(7:12: '192.0.2.2:70000' is not a host and a port: write it as in "192.0.2.2:4500", "[2001:db8::2]:4500" or "host.example:4500")"}},
    {"an endpoint with port 0",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
endpoint = "host.example:0"
)",
     {R"(7:12: 'host.example:0' has port 0: use a port of 1 to 65535)"}},
    {"an endpoint that is a mistyped address",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
endpoint = "192.0.2.256:4500"
)",
     {R"(7:12: '192.0.2.256:4500' is not a host and a port: write it as in "192.0.2.2:4500", "[2001:db8::2]:4500" or "host.example:4500")"}},
    {"an endpoint with an unbracketed IPv6 address",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
endpoint = "2001:db8::2:4500"
)",
     {R"(7:12: '2001:db8::2:4500' is not a host and a port: write it as in "192.0.2.2:4500", "[2001:db8::2]:4500" or "host.example:4500")"}},
    {"an endpoint that is a group",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
endpoint = "224.0.0.1:4500"
)",
     {R"(7:12: '224.0.0.1:4500' is not the address of one host: write the peer's own address)"}},
    {"a peer's prefix with host bits",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
prefixes = ["10.20.2.1/24"]
)",
     {R"(7:13: '10.20.2.1/24' has host bits set: write "10.20.2.0/24")"}},
    {"a keepalive of a day",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
keepalive = "24h"
)",
     {R"(7:13: 'keepalive' is '24h': use "0s" to "65535s")"}},
    {"dead peer detection in words",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
dead_peer_detection = "25h"
)",
     {R"(7:23: 'dead_peer_detection' is '25h': use "0s" to "65535s")"}},
    {"a replay window of a word less than one",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
replay_window = 63
)",
     {R"(7:17: 'replay_window' is 63: use 64 to 1048576)"}},
    {"a preshared key beside a manual SA",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "m"
preshared_key_file = "psk.key"
[peer.manual]
cipher = "aes-128-gcm"
send = { spi = 0x1001, key_file = "sa1.key" }
receive = { spi = 0x1002, key_file = "sa2.key" }
counter_file = "m.counter"
)",
     {R"(6:1: 'preshared_key_file' in a peer with [peer.manual]: remove one of the two: keys are agreed on, or set by hand)"}},
    {"a plain peer with what belongs to encryption",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
encryption = "none"
endpoint = "192.0.2.2:4789"
preshared_key_file = "psk.key"
keepalive = "20s"
replay_window = 64
prefixes = ["10.0.0.0/8"]
)",
     {R"(6:1: 'public_key' in a peer with encryption = "none": remove it, or write encryption = "esp")",
      R"(9:1: 'preshared_key_file' in a peer with encryption = "none": remove it, or write encryption = "esp")",
      R"(10:1: 'keepalive' in a peer with encryption = "none": remove it, or write encryption = "esp")",
      R"(11:1: 'replay_window' in a peer with encryption = "none": remove it, or write encryption = "esp")",
      R"(12:1: plain VXLAN carries frames only: routed prefixes need encryption = "esp")"}},
    {"a plain peer without an endpoint",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
encryption = "none"
)",
     {R"(4:1: a peer with encryption = "none" needs an endpoint: add endpoint = "192.0.2.2:4789")"}},
    {"a plain peer at a name",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
encryption = "none"
endpoint = "host.example:4789"
)",
     {R"(7:12: a peer with encryption = "none" is known by its address, not by a name: write it as in "192.0.2.2:4789")"}},
    {"a key file that is not there",
     R"([node]
name = "n"
private_key_file = "gone.key"
)",
     {R"(3:20: key file DIR/gone.key: No such file or directory: make one with: (umask 077; weft genkey > DIR/gone.key))"}},
    {"a key file that others may read",
     R"([node]
name = "n"
private_key_file = "open.key"
)",
     {R"(3:20: key file DIR/open.key can be accessed by others (mode 0644): chmod 600 DIR/open.key)"}},
    {"a key file of 31 bytes",
     R"([node]
name = "n"
private_key_file = "short.key"
)",
     {R"(3:20: key file DIR/short.key does not hold base64 of 32 bytes: make one with: (umask 077; weft genkey > DIR/short.key))"}},
    {"a key file without a key",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
preshared_key_file = "junk.key"
)",
     {R"(7:22: key file DIR/junk.key does not hold base64 of 32 bytes: make one with: (umask 077; weft genpsk > DIR/junk.key))"}},
    {"a key file that is a folder",
     R"([node]
name = "n"
private_key_file = "."
)",
     {R"(3:20: key file DIR/. is not a regular file: make one with: (umask 077; weft genkey > DIR/.))"}},
    {"an encrypted peer without the node's own key",
     R"([node]
name = "n"
[[peer]]
name = "b"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
)",
     {R"(1:1: [node] has no 'private_key_file', which encrypted peers need: make one with weft genkey, and add private_key_file = "...")"}},
    {"a key in place of its file's path",
     R"([node]
name = "n"
private_key_file = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
)",
     {R"(3:20: 'private_key_file' is a key, not the path of one: replace the key, which is no secret any more, and put the new one into a file of mode 600)"}},
    {"a manual SA without its parts",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "m"
[peer.manual]
cipher = "aes-128-gcm"
send = { spi = 0x1001 }
)",
     {R"(6:1: [peer.manual] has no 'receive': add receive = { spi = 0x1002, key_file = "receive.key" })",
      R"(6:1: [peer.manual] has no 'counter_file': add counter_file = "/var/lib/weft/site-b.counter")",
      R"(8:8: an SA of [peer.manual] has no 'key_file': add key_file = "send.key")"}},
    {"a manual SA with a misspelled cipher",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "m"
[peer.manual]
cipher = "aes-128-gmc"
send = { spi = 0x1001, key_file = "sa1.key" }
receive = { spi = 0x1002, key_file = "sa2.key" }
counter_file = "m.counter"
)",
     {R"(7:10: 'aes-128-gmc' is not a cipher: did you mean 'aes-128-gcm'?)"}},
    {"a reserved SPI",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "m"
[peer.manual]
cipher = "aes-128-gcm"
send = { spi = 255, key_file = "sa1.key" }
receive = { spi = 0x1002, key_file = "sa2.key" }
counter_file = "m.counter"
)",
     {R"(8:16: 'spi' is 255: use 256 to 4294967295)"}},
    {"a manual key of the wrong size",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "m"
[peer.manual]
cipher = "aes-256-gcm"
send = { spi = 0x1001, key_file = "sa1.key" }
receive = { spi = 0x1002, key_file = "sa256.key" }
counter_file = "m.counter"
)",
     {R"(8:35: key file DIR/sa1.key does not hold base64 of the 36 bytes that aes-256-gcm takes (key and salt): make one with: (umask 077; head -c 36 /dev/urandom | base64 > DIR/sa1.key))"}},
    {"keys set by hand for several workers",
     R"([node]
name = "n"
workers = 2
[[peer]]
name = "m"
[peer.manual]
cipher = "aes-128-gcm"
send = { spi = 0x1001, key_file = "sa1.key" }
receive = { spi = 0x1002, key_file = "sa2.key" }
counter_file = "m.counter"
)",
     {R"(3:11: more than one worker, and the keys of peer 'm' are set by hand: write workers = 1: such a key is for one worker)"}},
    {"keys set by hand for as many workers as there may be",
     R"([node]
name = "n"
workers = "auto"
[[peer]]
name = "m"
[peer.manual]
cipher = "aes-128-gcm"
send = { spi = 0x1001, key_file = "sa1.key" }
receive = { spi = 0x1002, key_file = "sa2.key" }
counter_file = "m.counter"
)",
     {R"(3:11: more than one worker, and the keys of peer 'm' are set by hand: write workers = 1: such a key is for one worker)"}},
    {"one manual key for both directions",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "m"
[peer.manual]
cipher = "aes-128-gcm"
send = { spi = 0x1001, key_file = "sa1.key" }
receive = { spi = 0x1002, key_file = "sa1.key" }
counter_file = "m.counter"
)",
     {R"(9:38: the same key as in line 8: make a key for each direction of each peer: a key that is used twice protects nothing)"}},
    {"what two manual peers must not share",
     R"([node]
name = "n"
private_key_file = "a.key"
[[peer]]
name = "m"
[peer.manual]
cipher = "aes-128-gcm"
send = { spi = 0x1001, key_file = "sa1.key" }
receive = { spi = 0x1002, key_file = "sa2.key" }
counter_file = "m.counter"
[[peer]]
name = "o"
[peer.manual]
cipher = "aes-128-gcm"
send = { spi = 0x1003, key_file = "sa3.key" }
receive = { spi = 0x1002, key_file = "sa2.key" }
counter_file = "m.counter"
)",
     {R"(16:19: a second SA that receives with SPI 0x1002: change it or the one in line 9)",
      R"(16:38: the same key as in line 9: make a key for each direction of each peer: a key that is used twice protects nothing)",
      R"(17:16: a second SA with counter file 'DIR/m.counter': change it or the one in line 10)"}},
};
// clang-format on

}  // namespace

TEST_CASE("a key file of another user is refused, since its owner can read it") {
    const KeyFolder folder;
    const std::string key = folder.write("foreign.key", "d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3c=\n");
    if (::chown(key.c_str(), 64999, 64999) != 0) {
        MESSAGE("skipped: only root can give a file away");
        return;
    }
    const std::string file =
        folder.write("node.toml", "[node]\nname = \"n\"\nprivate_key_file = \"foreign.key\"\n");
    const auto loaded = config::load(file);
    REQUIRE_FALSE(loaded.has_value());
    REQUIRE(loaded.error().size() == 1);
    CHECK(folder.shorten(loaded.error()[0], file) ==
          "3:20: key file DIR/foreign.key belongs to user 64999: chown root DIR/foreign.key");
}

TEST_CASE("a bad value in a peer or a bad key file is reported where it stands") {
    check_reports(mistakes);
}

}  // namespace weft::test
