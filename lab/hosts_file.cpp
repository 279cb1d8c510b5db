#include "lab/hosts_file.h"

#include <set>

#include <fmt/format.h>

namespace weft::lab {

std::string hosts_file(const Topology& topology) {
    std::string out = "127.0.0.1\tlocalhost\n::1\tlocalhost\n";
    std::set<NodeIndex> named;
    for (const Link& link : topology.links) {
        for (const LinkEnd& end : link.ends) {
            if (end.addresses.empty()) continue;
            const std::string& name = topology.nodes[end.node].name;
            const std::string names = named.insert(end.node).second
                                          ? fmt::format("{} {}-{}", name, name, end.interface)
                                          : fmt::format("{}-{}", name, end.interface);
            for (const Prefix& address : end.addresses)
                out += fmt::format("{}\t{}\n", address.address.to_string(), names);
        }
    }
    for (const Node& node : topology.nodes) {
        const auto* made = std::get_if<Switch>(&node.kind);
        if (made == nullptr) continue;
        for (const Prefix& gateway : made->bridge.gateway)
            out += fmt::format("{}\t{}\n", gateway.address.to_string(), node.name);
    }
    return out;
}

}  // namespace weft::lab
