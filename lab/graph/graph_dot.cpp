#include <fmt/format.h>

#include "lab/graph/graph.h"
#include "lab/graph/graph_text.h"

namespace weft::lab {

namespace {

// Inside of a quoted string of DOT.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

std::string label_of(const std::vector<std::string>& lines) {
    std::string out;
    for (const std::string& line : lines) out += (out.empty() ? "" : "\\n") + escaped(line);
    return out;
}

std::string_view shape_of(NodeKind kind) noexcept {
    switch (kind) {
        case NodeKind::host:
            return "box, style=rounded";
        case NodeKind::switch_:
            return "box, style=filled, fillcolor=\"#dbe9f6\"";
        case NodeKind::router:
            return "ellipse, style=filled, fillcolor=\"#fde9d0\"";
        case NodeKind::site:
            return "box, peripheries=2, style=filled, fillcolor=\"#e0f2e0\"";
        case NodeKind::interface:
            return "box, style=dashed";
    }
    return {};
}

}  // namespace

std::string to_dot(const Topology& topology, const LinkFigures& figures) {
    const auto degrees = degrees_of(topology);
    std::string out = fmt::format(
        "graph \"{}\" {{\n    node [fontname=\"sans-serif\"];\n    edge [fontname=\"sans-serif\", "
        "fontsize=10];\n",
        escaped(topology.name));
    for (NodeIndex i = 0; i < topology.nodes.size(); ++i) {
        const Node& node = topology.nodes[i];
        out += fmt::format("    \"{}\" [label=\"{}\", shape={}];\n", escaped(node.name),
                           label_of(node_lines(topology, i, degrees)), shape_of(node_kind(node)));
    }
    for (LinkIndex i = 0; i < topology.links.size(); ++i) {
        const Link& link = topology.links[i];
        out += fmt::format(
            "    \"{}\" -- \"{}\" [label=\"{}\", taillabel=\"{}\", headlabel=\"{}\"];\n",
            escaped(topology.nodes[link.ends[0].node].name), escaped(topology.nodes[link.ends[1].node].name),
            label_of(link_lines(link, i, figures)), label_of(end_lines(topology, link.ends[0], degrees)),
            label_of(end_lines(topology, link.ends[1], degrees)));
    }
    return out + "}\n";
}

}  // namespace weft::lab
