#include "config/schema.h"

#include <algorithm>
#include <array>

namespace weft::config {

namespace {

constexpr bool required = true;
constexpr bool optional = false;

constexpr std::array file_keys{
    Key{"node", Kind::table, required, "[node]"},        Key{"underlay", Kind::table, optional, "[underlay]"},
    Key{"offload", Kind::table, optional, "[offload]"},  Key{"fastpath", Kind::table, optional, "[fastpath]"},
    Key{"bridge", Kind::tables, optional, "[[bridge]]"}, Key{"port", Kind::tables, optional, "[[port]]"},
    Key{"route", Kind::tables, optional, "[[route]]"},   Key{"peer", Kind::tables, optional, "[[peer]]"},
};

constexpr std::array node_keys{
    Key{"name", Kind::text, required, R"(name = "site-a")"},
    Key{"workers", Kind::integer_or_text, optional, "workers = 1"},
    Key{"control", Kind::text, optional, R"(control = "/run/weft/site-a.sock")"},
    Key{"state_dir", Kind::text, optional, R"(state_dir = "/var/lib/weft")"},
    Key{"private_key_file", Kind::text, optional, R"(private_key_file = "/etc/weft/site-a.key")"},
    Key{"busy_poll", Kind::text, optional, R"(busy_poll = "50us")"},
    Key{"keylog", Kind::text, optional, R"(keylog = "/run/weft/esp_sa")"},
    Key{"user", Kind::text, optional, R"(user = "weft")"},
};

constexpr std::array underlay_keys{
    Key{"device", Kind::text, optional, R"(device = "eth0")"},
    Key{"esp", Kind::text, optional, R"(esp = "0.0.0.0:4500")"},
    Key{"vxlan", Kind::text, optional, R"(vxlan = "0.0.0.0:4789")"},
    Key{"mtu", Kind::integer, optional, "mtu = 1500"},
    Key{"deny", Kind::texts, optional, R"(deny = ["203.0.113.0/24"])"},
};

constexpr std::array offload_keys{
    Key{"tun_gso", Kind::boolean, optional, "tun_gso = true"},
    Key{"tun_gro", Kind::boolean, optional, "tun_gro = true"},
    Key{"udp_gso", Kind::boolean, optional, "udp_gso = true"},
    Key{"udp_gro", Kind::boolean, optional, "udp_gro = true"},
};

constexpr std::array fast_path_keys{
    Key{"mode", Kind::text, optional, R"(mode = "auto")"},
    Key{"max_flows", Kind::integer, optional, "max_flows = 16384"},
    Key{"check_every", Kind::integer, optional, "check_every = 4096"},
    Key{"uplinks", Kind::texts, optional, R"(uplinks = ["eth0"])"},
};

constexpr std::array bridge_keys{
    Key{"name", Kind::text, required, R"(name = "lan")"},
    Key{"vni", Kind::integer, optional, "vni = 100"},
    Key{"aging", Kind::text, optional, R"(aging = "300s")"},
    Key{"max_stations", Kind::integer, optional, "max_stations = 8192"},
    Key{"max_stations_per_port", Kind::integer, optional, "max_stations_per_port = 4096"},
    Key{"gateway", Kind::texts, optional, R"(gateway = ["10.10.0.1/24"])"},
    Key{"masquerade", Kind::boolean, optional, "masquerade = true"},
    Key{"gateway_mac", Kind::text, optional, R"(gateway_mac = "02:00:00:00:00:01")"},
    Key{"arp_suppress", Kind::boolean, optional, "arp_suppress = true"},
};

constexpr std::array port_keys{
    Key{"name", Kind::text, required, R"(name = "a1")"},
    Key{"type", Kind::text, required, R"(type = "tap")"},
    Key{"device", Kind::text, optional, R"(device = "eth1")"},
    Key{"netns", Kind::text, optional, R"(netns = "host-a")"},
    Key{"bridge", Kind::text, optional, R"(bridge = "lan")"},
    Key{"vlan", Kind::integer, optional, "vlan = 10"},
    Key{"trunk", Kind::integers, optional, "trunk = [10, 20]"},
    Key{"address", Kind::texts, optional, R"(address = ["10.10.0.11/24"])"},
    Key{"mac", Kind::text, optional, R"(mac = "02:00:00:00:00:11")"},
    Key{"mtu", Kind::integer, optional, "mtu = 1400"},
    Key{"patch", Kind::text, optional, R"(patch = "tc")"},
    Key{"fastpath", Kind::boolean, optional, "fastpath = true"},
    Key{"txqueuelen", Kind::integer, optional, "txqueuelen = 1000"},
    Key{"kernel_routes", Kind::boolean, optional, "kernel_routes = false"},
    Key{"spoof_check", Kind::boolean, optional, "spoof_check = true"},
    Key{"isolated", Kind::boolean, optional, "isolated = true"},
    Key{"impair", Kind::table, optional, "[port.impair]"},
};

// What may change while a link runs.
constexpr std::array link_keys{
    Key{"delay", Kind::scalar, optional, R"(delay = "10ms")", "How long a packet is under way, one way."},
    Key{"jitter", Kind::scalar, optional, R"(jitter = "2ms")",
        "How much the delay varies: uniform: at most so much more or less; else the standard deviation."},
    Key{"distribution", Kind::scalar, optional, R"(distribution = "normal")",
        "Of the jitter: uniform, normal, pareto, or a file of samples."},
    Key{"delay_correlation", Kind::scalar, optional, R"(delay_correlation = "25%")",
        "Of a packet's jitter with that of the one before it."},
    Key{"reordering", Kind::scalar, optional, "reordering = true",
        "Whether jitter may change the order of packets."},
    Key{"loss", Kind::scalar, optional, R"(loss = "1%")",
        "Which packets are lost: \"1%\", \"every 10\", \"gilbert-elliott 1% 25% 0% 100%\", \"4-state ...\"."},
    Key{"loss_correlation", Kind::scalar, optional, R"(loss_correlation = "25%")",
        "Of a packet's random loss with that of the one before it."},
    Key{"corrupt", Kind::scalar, optional, R"(corrupt = "1e-6")", "The bit error rate."},
    Key{"duplicate", Kind::scalar, optional, R"(duplicate = "1%")", "Packets that arrive twice."},
    Key{"reorder", Kind::scalar, optional, R"(reorder = "1%")",
        "Packets that are not delayed, and so overtake."},
    Key{"rate", Kind::scalar, optional, R"(rate = "10mbit")",
        "Bits a second of whole frames, without preamble and FCS."},
    Key{"queue", Kind::scalar, optional, R"(queue = "64kB")",
        "What may wait for the rate, in packets or bytes."},
    Key{"discipline", Kind::scalar, optional, R"(discipline = "codel")",
        "Of the queue: drop-tail, codel or fq-codel."},
    Key{"target", Kind::scalar, optional, R"(target = "5ms")", "Of CoDel: how long a packet may wait."},
    Key{"interval", Kind::scalar, optional, R"(interval = "100ms")",
        "Of CoDel: how long all may have waited too long."},
    Key{"mtu", Kind::scalar, optional, "mtu = 1400", "Larger packets are lost; of the layer above Ethernet."},
    Key{"up", Kind::scalar, optional, "up = true", "Whether the link is up."},
    Key{"trace", Kind::scalar, optional, R"(trace = "mobile.csv")",
        "A file by which the link varies: Mahimahi's, or CSV of time, delay, loss and rate."},
};

template <std::size_t a, std::size_t b>
constexpr std::array<Key, a + b> joined(const std::array<Key, a>& first, const std::array<Key, b>& second) {
    std::array<Key, a + b> all{};
    std::ranges::copy(first, all.begin());
    std::ranges::copy(second, all.begin() + a);
    return all;
}

constexpr std::array impairment_keys = joined(
    link_keys, std::array{
                   Key{"schedule", Kind::tables, optional, R"(schedule = [{ at = "10s", up = false }])",
                       "What changes, and when, counted from when the link begins."},
                   Key{"repeat", Kind::scalar, optional, R"(repeat = "60s")",
                       "After how long the schedule begins again."},
               });

constexpr std::array scheduled_impairment_keys =
    joined(std::array{Key{"at", Kind::scalar, required, R"(at = "10s")",
                          "When, counted from when the link begins."}},
           link_keys);

constexpr std::array port_impairment_keys = joined(
    impairment_keys,
    std::array{
        Key{"seed", Kind::integer, optional, "seed = 1", "Of the random choices."},
        Key{"in", Kind::table, optional, "[port.impair.in]", "What is different from the device into weft."},
        Key{"out", Kind::table, optional, "[port.impair.out]", "What is different from weft to the device."},
    });

constexpr std::array route_keys{
    Key{"to", Kind::text, required, R"(to = "0.0.0.0/0")"},
    Key{"via", Kind::text, optional, R"(via = "10.10.0.254")"},
    Key{"peer", Kind::text, optional, R"(peer = "site-b")"},
    Key{"port", Kind::text, optional, R"(port = "weft0")"},
};

constexpr std::array peer_keys{
    Key{"name", Kind::text, required, R"(name = "site-b")"},
    Key{"public_key", Kind::text, optional, R"(public_key = "...", as weft pubkey prints it)"},
    Key{"preshared_key_file", Kind::text, optional, R"(preshared_key_file = "/etc/weft/site-b.psk")"},
    Key{"endpoint", Kind::text, optional, R"(endpoint = "192.0.2.2:4500")"},
    Key{"encryption", Kind::text, optional, R"(encryption = "esp")"},
    Key{"bridges", Kind::texts, optional, R"(bridges = ["lan"])"},
    Key{"prefixes", Kind::texts, optional, R"(prefixes = ["10.20.2.0/24"])"},
    Key{"keepalive", Kind::text, optional, R"(keepalive = "20s")"},
    Key{"dead_peer_detection", Kind::text, optional, R"(dead_peer_detection = "30s")"},
    Key{"replay_window", Kind::integer, optional, "replay_window = 8192"},
    Key{"manual", Kind::table, optional, "[peer.manual]"},
};

constexpr std::array manual_keys{
    Key{"cipher", Kind::text, required, R"(cipher = "aes-128-gcm")"},
    Key{"send", Kind::table, required, R"(send = { spi = 0x1001, key_file = "send.key" })"},
    Key{"receive", Kind::table, required, R"(receive = { spi = 0x1002, key_file = "receive.key" })"},
    Key{"counter_file", Kind::text, required, R"(counter_file = "/var/lib/weft/site-b.counter")"},
};

constexpr std::array manual_sa_keys{
    Key{"spi", Kind::integer, required, "spi = 0x1001"},
    Key{"key_file", Kind::text, required, R"(key_file = "send.key")"},
};

}  // namespace

const Schema file_schema{"the file", file_keys};
const Schema node_schema{"[node]", node_keys};
const Schema underlay_schema{"[underlay]", underlay_keys};
const Schema offload_schema{"[offload]", offload_keys};
const Schema fast_path_schema{"[fastpath]", fast_path_keys};
const Schema bridge_schema{"[[bridge]]", bridge_keys};
const Schema port_schema{"[[port]]", port_keys};
const Schema impairment_schema{"the impairment of a link", impairment_keys};
const Schema scheduled_impairment_schema{"an entry of 'schedule'", scheduled_impairment_keys};
const Schema port_impairment_schema{"[port.impair]", port_impairment_keys};
const Schema route_schema{"[[route]]", route_keys};
const Schema peer_schema{"[[peer]]", peer_keys};
const Schema manual_schema{"[peer.manual]", manual_keys};
const Schema manual_sa_schema{"an SA of [peer.manual]", manual_sa_keys};

const Key* Schema::find(std::string_view name) const noexcept {
    const auto found = std::ranges::find(keys, name, &Key::name);
    return found == keys.end() ? nullptr : &*found;
}

}  // namespace weft::config
