// [[peer]].
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "config/fields.h"
#include "config/key_file.h"
#include "config/nearest.h"
#include "config/read.h"
#include "config/read_manual.h"

namespace weft::config {

namespace {

constexpr std::chrono::seconds max_keepalive{65535};
constexpr std::chrono::seconds nat_keepalive{20};  // the shortest-lived mappings last for 30 s
constexpr std::uint32_t min_replay_window = 64;
constexpr std::uint32_t max_replay_window = 1048576;

Peer::Encryption read_encryption(const Section& section) {
    const auto text = section.text("encryption");
    if (!text || *text == "esp") return Peer::Encryption::esp;
    if (*text == "none") return Peer::Encryption::none;
    constexpr std::array<std::string_view, 2> choices{"esp", "none"};
    section.problem("encryption", fmt::format("{} is not an encryption", quoted(*text)),
                    did_you_mean(*text, choices, "use \"esp\" or \"none\""));
    return Peer::Encryption::esp;
}

// The message does not repeat the text: it may be a secret in the wrong place.
std::optional<PublicKey> read_public_key(const Section& section) {
    const auto text = section.text("public_key");
    if (!text) return std::nullopt;
    const auto key = PublicKey::parse(*text);
    if (!key || *key == PublicKey{}) {
        section.problem("public_key", "this is not a public key",
                        "write what weft pubkey prints at the peer (44 characters)");
        return std::nullopt;
    }
    return key;
}

// RFC 1123 section 2.1; a last label of digits only would be a mistyped IPv4 address.
bool is_host_name(std::string_view host) noexcept {
    constexpr std::size_t longest = 253;
    constexpr std::size_t longest_label = 63;
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if (host.ends_with('.')) host.remove_suffix(1);
    if (host.empty() || host.size() > longest) return false;
    std::string_view label;
    for (std::size_t begin = 0; begin <= host.size(); begin += label.size() + 1) {
        label = host.substr(begin, host.find('.', begin) - begin);
        if (label.empty() || label.size() > longest_label) return false;
        if (label.find_first_not_of(allowed) != std::string_view::npos) return false;
        if (label.front() == '-' || label.back() == '-') return false;
    }
    return label.find_first_not_of("0123456789") != std::string_view::npos;
}

struct HostAndPort {
    std::string host;  // an IPv6 address without its brackets
    std::uint16_t port;
};

std::optional<HostAndPort> parse_host_and_port(std::string_view text) {
    if (const auto endpoint = Endpoint::parse(text))
        return HostAndPort{.host = endpoint->address.to_string(), .port = endpoint->port};
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos || !is_host_name(text.substr(0, colon))) return std::nullopt;
    const std::string_view digits = text.substr(colon + 1);
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return HostAndPort{.host = std::string{text.substr(0, colon)}, .port = port};
}

void read_peer_endpoint(const Section& section, Peer& peer) {
    const auto text = section.text("endpoint");
    if (!text) return;
    auto endpoint = parse_host_and_port(*text);
    if (!endpoint) {
        section.problem("endpoint", fmt::format("{} is not a host and a port", quoted(*text)),
                        "write it as in \"192.0.2.2:4500\", \"[2001:db8::2]:4500\" or \"host.example:4500\"");
        return;
    }
    if (endpoint->port == 0) {
        section.problem("endpoint", fmt::format("{} has port 0", quoted(*text)), "use a port of 1 to 65535");
        return;
    }
    const auto address = IpAddress::parse(endpoint->host);
    if (address && (address->is_unspecified() || address->is_multicast() || address->is_broadcast())) {
        section.problem("endpoint", fmt::format("{} is not the address of one host", quoted(*text)),
                        "write the peer's own address");
        return;
    }
    peer.endpoint_host = std::move(endpoint->host);
    peer.endpoint_port = endpoint->port;
}

void check_esp(const Section& section) {
    if (!section.has("public_key") && !section.has("manual")) {
        section.report().add(section.at(), "an encrypted peer needs a key",
                             "add public_key = \"...\", as weft pubkey prints it at the peer");
    }
    if (!section.has("manual")) return;
    for (const std::string_view key : {"public_key", "preshared_key_file"}) {
        if (section.has(key)) {
            section.report().add(section.at_key(key), fmt::format("'{}' in a peer with [peer.manual]", key),
                                 "remove one of the two: keys are agreed on, or set by hand");
        }
    }
}

void check_plain(const Section& section, const Peer& peer) {
    for (const std::string_view key : {"public_key", "preshared_key_file", "manual", "keepalive",
                                       "dead_peer_detection", "replay_window"}) {
        if (section.has(key)) {
            section.report().add(section.at_key(key),
                                 fmt::format("'{}' in a peer with encryption = \"none\"", key),
                                 "remove it, or write encryption = \"esp\"");
        }
    }
    if (section.has("prefixes")) {
        section.report().add(section.at_key("prefixes"), "plain VXLAN carries frames only",
                             "routed prefixes need encryption = \"esp\"");
    }
    if (!section.has("endpoint")) {
        section.report().add(section.at(), "a peer with encryption = \"none\" needs an endpoint",
                             "add endpoint = \"192.0.2.2:4789\"");
    } else if (peer.endpoint_host && !IpAddress::parse(*peer.endpoint_host)) {
        section.problem("endpoint",
                        "a peer with encryption = \"none\" is known by its address, not by a name",
                        "write it as in \"192.0.2.2:4789\"");
    }
}

// Behind a NAT can only be who calls: to be called, one has to be reachable. So the caller, who knows where
// the peer is, keeps the door open. Gateways with keys set by hand are not ours to be kept busy.
std::chrono::seconds default_keepalive(const Section& section, const Peer& peer) {
    const bool calls =
        peer.endpoint_host && peer.encryption == Peer::Encryption::esp && !section.has("manual");
    return calls ? nat_keepalive : std::chrono::seconds{0};
}

}  // namespace

Peer read_peer(const Section& section) {
    section.check();
    Peer peer;
    peer.name = read_name(section);
    peer.encryption = read_encryption(section);
    peer.public_key = read_public_key(section).value_or(PublicKey{});
    peer.preshared_key = read_secret(section, "preshared_key_file", "weft genpsk");
    read_peer_endpoint(section, peer);
    peer.bridges = section.texts("bridges");
    peer.prefixes = read_networks(section, "prefixes");
    peer.keepalive = read_duration(section, "keepalive", std::chrono::seconds{0}, max_keepalive)
                         .value_or(default_keepalive(section, peer));
    peer.dead_peer_detection =
        read_duration(section, "dead_peer_detection", std::chrono::seconds{0}, max_keepalive)
            .value_or(peer.dead_peer_detection);
    peer.replay_window = read_number(section, "replay_window", min_replay_window, max_replay_window)
                             .value_or(peer.replay_window);
    if (const auto manual = section.table("manual", manual_schema)) peer.manual = read_manual(*manual);
    if (peer.encryption == Peer::Encryption::esp) {
        check_esp(section);
    } else {
        check_plain(section, peer);
    }
    return peer;
}

}  // namespace weft::config
