// Changes in words, for the log.
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/diff.h"

namespace weft::config {

namespace {

std::string_view name_of(Port::Type type) noexcept {
    switch (type) {
        case Port::Type::tap:
            return "tap";
        case Port::Type::tun:
            return "tun";
        case Port::Type::veth:
            return "veth";
        case Port::Type::packet:
            return "packet";
    }
    return {};
}

std::string list(std::string_view title, const std::vector<Prefix>& prefixes) {
    if (prefixes.empty()) return {};
    std::vector<std::string> texts;
    texts.reserve(prefixes.size());
    for (const Prefix& prefix : prefixes) texts.push_back(prefix.to_string());
    return fmt::format(", {} {}", title, fmt::join(texts, " "));
}

std::string in_words(const Bridge& bridge) {
    const std::string scope = bridge.vni ? fmt::format("VNI {}", bridge.vni->value()) : "local";
    return fmt::format("bridge {} ({}{}{})", bridge.name, scope, list("gateway", bridge.gateway),
                       bridge.masquerade ? ", masqueraded" : "");
}

std::string in_words(const Port& port) {
    std::string text = fmt::format("port {} ({}", port.name, name_of(port.type));
    if (port.device != port.name) text += fmt::format(" {}", port.device);
    if (port.netns) text += fmt::format(" in {}", *port.netns);
    if (port.bridge) text += fmt::format(", bridge {}", *port.bridge);
    if (port.vlan) text += fmt::format(", VLAN {}", port.vlan->value());
    if (!port.trunk.empty()) {
        std::vector<unsigned> vlans;
        vlans.reserve(port.trunk.size());
        for (const VlanId vlan : port.trunk) vlans.push_back(vlan.value());
        text += fmt::format(", trunk {}", fmt::join(vlans, " "));
    }
    if (port.spoof_check) text += ", guarded";
    if (port.isolated) text += ", isolated";
    if (port.impair) text += ", impaired";
    return text + list("address", port.address) + ")";
}

std::string in_words(const Peer& peer) {
    std::string text = fmt::format("peer {} (", peer.name);
    if (peer.is_plain()) {
        text += "not encrypted";
    } else {
        text += peer.manual ? "esp, manual keys" : "esp";
    }
    if (peer.endpoint_host) {
        const auto address = IpAddress::parse(*peer.endpoint_host);
        text += address ? fmt::format(", at {}", Endpoint{*address, peer.endpoint_port}.to_string())
                        : fmt::format(", at {}:{}", *peer.endpoint_host, peer.endpoint_port);
    }
    if (!peer.bridges.empty()) text += fmt::format(", bridges {}", fmt::join(peer.bridges, " "));
    return text + list("prefixes", peer.prefixes) + ")";
}

std::string in_words(const Route& route) {
    const std::string to = route.to.to_string();
    if (route.peer) return fmt::format("route {} to peer {}", to, *route.peer);
    if (route.port) return fmt::format("route {} to port {}", to, *route.port);
    return fmt::format("route {} via {}", to, route.via.value_or(IpAddress{}).to_string());
}

struct Describe {
    std::string operator()(const RemoveRoute& change) const { return "remove " + in_words(*change.route); }

    std::string operator()(const RemovePort& change) const { return "remove " + in_words(*change.port); }

    std::string operator()(const RemovePeer& change) const { return "remove " + in_words(*change.peer); }

    std::string operator()(const RemoveBridge& change) const { return "remove " + in_words(*change.bridge); }

    std::string operator()(const ReplaceNode& change) const {
        if (change.from->name == change.to->name) return fmt::format("replace node {}", change.to->name);
        return fmt::format("replace node {} by {}", change.from->name, change.to->name);
    }

    std::string operator()(const ReplaceUnderlay& change) const {
        return fmt::format("replace underlay (esp {}, vxlan {})", change.to->esp.to_string(),
                           change.to->vxlan.to_string());
    }

    std::string operator()(const ReplaceTuning& change) const {
        const Tuning& to = *change.to;
        const auto in_words = [](bool on) { return on ? "on" : "off"; };
        return fmt::format("replace tuning (tun_gso {}, tun_gro {}, udp_gso {}, udp_gro {}, busy_poll {}us)",
                           in_words(to.tun_gso), in_words(to.tun_gro), in_words(to.udp_gso),
                           in_words(to.udp_gro), to.busy_poll.count());
    }

    std::string operator()(const ReplaceFastPath& change) const {
        return fmt::format("replace fast path (mode {}, check_every {}, uplinks {})",
                           to_string(change.to->mode), change.to->check_every,
                           change.to->uplinks.empty()
                               ? std::string{"as routed"}
                               : fmt::format("{}", fmt::join(change.to->uplinks, " ")));
    }

    std::string operator()(const ChangeDenied& change) const {
        return fmt::format("deny {} sources instead of {}", change.to->deny.size(), change.from->deny.size());
    }

    std::string operator()(const ChangeBridge& change) const { return "change " + in_words(*change.to); }

    std::string operator()(const ChangePeer& change) const { return "change " + in_words(*change.to); }

    std::string operator()(const ChangePort& change) const { return "change " + in_words(*change.to); }

    std::string operator()(const AddBridge& change) const { return "add " + in_words(*change.bridge); }

    std::string operator()(const AddPeer& change) const { return "add " + in_words(*change.peer); }

    std::string operator()(const AddPort& change) const { return "add " + in_words(*change.port); }

    std::string operator()(const AddRoute& change) const { return "add " + in_words(*change.route); }
};

}  // namespace

std::string to_string(const Change& change) {
    return std::visit(Describe{}, change);
}

}  // namespace weft::config
