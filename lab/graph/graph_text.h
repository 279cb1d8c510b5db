// What the pictures of a lab say, whatever they are drawn in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lab/graph/graph.h"

namespace weft::lab {

enum class NodeKind : std::uint8_t { host, switch_, router, site, interface };

NodeKind node_kind(const Node& node) noexcept;
std::string_view to_string(NodeKind kind) noexcept;

// The lines of a node: its name and, if it has one link only, its addresses there.
std::vector<std::string> node_lines(const Topology& topology, NodeIndex node,
                                    const std::vector<unsigned>& degrees);

// Of each node, how many ends it has.
std::vector<unsigned> degrees_of(const Topology& topology);

// The lines of a link, none of them long: what it does to packets, both ways and then what differs, and its
// figures, which are the last one.
std::vector<std::string> link_lines(const Link& link, LinkIndex index, const LinkFigures& figures);

// What stands at an end of a link: interface and addresses, if the node does not show them itself.
std::vector<std::string> end_lines(const Topology& topology, const LinkEnd& end,
                                   const std::vector<unsigned>& degrees);

}  // namespace weft::lab
