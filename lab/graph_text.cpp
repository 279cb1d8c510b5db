#include "lab/graph_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/read_impairment.h"

namespace weft::lab {

namespace {

std::string tags_of(const LinkEnd& end) {
    if (end.vlan) return fmt::format("VLAN {}", end.vlan->value());
    if (end.trunk.empty()) return {};
    std::vector<unsigned> numbers;
    for (const VlanId vlan : end.trunk) numbers.push_back(vlan.value());
    return fmt::format("VLANs {}", fmt::join(numbers, ", "));
}

}  // namespace

NodeKind node_kind(const Node& node) noexcept {
    return static_cast<NodeKind>(node.kind.index());
}

std::string_view to_string(NodeKind kind) noexcept {
    switch (kind) {
        case NodeKind::host:
            return "host";
        case NodeKind::switch_:
            return "switch";
        case NodeKind::router:
            return "router";
        case NodeKind::site:
            return "site";
        case NodeKind::interface:
            return "interface";
    }
    return {};
}

std::vector<unsigned> degrees_of(const Topology& topology) {
    std::vector<unsigned> degrees(topology.nodes.size());
    for (const Link& link : topology.links) {
        for (const LinkEnd& end : link.ends) ++degrees[end.node];
    }
    return degrees;
}

std::vector<std::string> node_lines(const Topology& topology, NodeIndex node,
                                    const std::vector<unsigned>& degrees) {
    std::vector<std::string> lines{topology.nodes[node].name};
    if (const auto* made = std::get_if<Switch>(&topology.nodes[node].kind)) {
        for (const Prefix& gateway : made->bridge.gateway) lines.push_back(gateway.to_string());
    }
    if (degrees[node] != 1) return lines;
    for (const Link& link : topology.links) {
        for (const LinkEnd& end : link.ends) {
            if (end.node != node) continue;
            for (const Prefix& address : end.addresses) lines.push_back(address.to_string());
        }
    }
    return lines;
}

std::vector<std::string> link_lines(const Link& link, LinkIndex index, const LinkFigures& figures) {
    std::vector<std::string> lines;
    const auto& [there, back] = link.impairment;
    if (there == back) {
        if (!there.does_nothing()) lines.push_back(config::describe(there));
    } else {
        lines.push_back("there: " + config::describe(there));
        lines.push_back("back: " + config::describe(back));
    }
    if (const auto found = figures.find(index); found != figures.end()) lines.push_back(found->second);
    return lines;
}

std::string end_text(const Topology& topology, const LinkEnd& end, const std::vector<unsigned>& degrees) {
    const Node& node = topology.nodes[end.node];
    if (std::holds_alternative<Switch>(node.kind)) return tags_of(end);
    if (degrees[end.node] == 1) return {};
    std::string text = end.interface;
    for (const Prefix& address : end.addresses) text += " " + address.to_string();
    return text;
}

}  // namespace weft::lab
