// [node] and [underlay].
#include <utility>

#include <fmt/format.h>

#include "config/fields.h"
#include "config/key_file.h"
#include "config/read.h"
#include "crypto/x25519.h"

namespace weft::config {

namespace {

constexpr std::uint16_t esp_port = 4500;    // RFC 3948
constexpr std::uint16_t vxlan_port = 4789;  // RFC 7348

unsigned read_workers(const Section& section) {
    const auto number = section.integer("workers");
    const auto text = section.text("workers");
    const auto cure = fmt::format("write a number from 1 to {}, or \"auto\"", Node::max_workers);
    if (text && *text != "auto") {
        section.problem("workers", fmt::format("'workers' is {}", quoted(*text)), cure);
    } else if (number && (*number < 1 || *number > Node::max_workers)) {
        section.problem("workers", fmt::format("'workers' is {}", *number), cure);
    } else if (number) {
        return static_cast<unsigned>(*number);
    }
    return text ? Node::automatic : 1;
}

std::string read_control(const Section& section, const std::string& name) {
    constexpr std::size_t longest = 107;  // sockaddr_un without the terminating zero
    auto path = read_path(section, "control");
    if (!path) return fmt::format("/run/weft/{}.sock", name);
    if (path->size() > longest) {
        section.problem("control", fmt::format("a Unix socket's path has {} bytes at most", longest),
                        "use a shorter one");
    }
    return std::move(*path);
}

}  // namespace

Node read_node(const Section& section) {
    section.check();
    Node node;
    node.name = read_name(section);
    node.workers = read_workers(section);
    node.control = read_control(section, node.name);
    node.state_dir = read_path(section, "state_dir").value_or("/var/lib/weft");
    node.keylog = read_path(section, "keylog");
    node.user = section.text("user");
    if (node.user && node.user->empty())
        section.problem("user", "'user' is empty", "write a name or a number");
    node.private_key = read_secret(section, "private_key_file", "weft genkey");
    if (node.private_key) node.public_key = X25519{*node.private_key}.public_key();
    return node;
}

Underlay default_underlay() noexcept {
    return {.device = {},
            .esp = {.address = {}, .port = esp_port},
            .vxlan = {.address = {}, .port = vxlan_port},
            .mtu = {},
            .deny = {}};
}

Underlay read_underlay(const Section& section) {
    section.check();
    Underlay underlay = default_underlay();
    underlay.device = read_device(section, "device");
    if (const auto esp = read_endpoint(section, "esp")) underlay.esp = *esp;
    if (const auto vxlan = read_endpoint(section, "vxlan")) underlay.vxlan = *vxlan;
    underlay.mtu = read_mtu(section, "mtu");
    underlay.deny = read_networks(section, "deny");

    if (underlay.esp.port == underlay.vxlan.port) {
        section.problem(section.has("vxlan") ? "vxlan" : "esp",
                        fmt::format("'esp' and 'vxlan' have the same port {}", underlay.esp.port),
                        "give each a port of its own");
    }
    const bool v6 = underlay.esp.address.is_v6() || underlay.vxlan.address.is_v6();
    if (v6 && underlay.mtu && *underlay.mtu < min_v6_mtu) {
        section.problem("mtu", fmt::format("an MTU of {} is too small for IPv6", *underlay.mtu),
                        fmt::format("use {} or more", min_v6_mtu));
    }
    return underlay;
}

}  // namespace weft::config
