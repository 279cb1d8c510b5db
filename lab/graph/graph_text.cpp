#include "lab/graph/graph_text.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/read_impairment.h"

namespace weft::lab {

namespace {

std::string tags_of(const LinkEnd& end) {
    if (end.vlan) return fmt::format("VLAN {}", end.vlan->value());
    if (end.trunk.empty()) return {};
    std::vector<unsigned> numbers;
    numbers.reserve(end.trunk.size());
    for (const VlanId vlan : end.trunk) numbers.push_back(vlan.value());
    return fmt::format("VLANs {}", fmt::join(numbers, ", "));
}

using Words = std::vector<std::string>;

// "delay 10ms", "loss 1%"
Words words_of(const Impairment& impairment) {
    constexpr std::string_view separator = ", ";
    Words words;
    if (impairment.does_nothing()) return words;
    const std::string text = config::describe(impairment);
    std::size_t at = 0;
    for (std::size_t end = 0; end != std::string::npos; at = end + separator.size()) {
        end = text.find(separator, at);
        words.push_back(text.substr(at, end - at));
    }
    return words;
}

// Of `words` those that are in the others, or those that are not.
Words those_in(const Words& words, const Words& others, bool wanted) {
    Words chosen;
    for (const std::string& word : words) {
        if ((std::ranges::find(others, word) != others.end()) == wanted) chosen.push_back(word);
    }
    return chosen;
}

// As many in a line as make it no longer than the cell of a node is wide; what is longer, word by word.
void append_wrapped(std::vector<std::string>& lines, std::string line, const Words& words,
                    std::string_view separator) {
    constexpr std::size_t longest = 24;
    bool begins = true;
    const auto append = [&](std::string_view part) {
        if (!begins && line.size() + 1 + part.size() > longest) {
            lines.push_back(std::exchange(line, ""));
            begins = true;
        }
        line += begins ? "" : " ";
        line += part;
        begins = false;
    };
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string rest = words[i] + (i + 1 < words.size() && separator != " " ? "," : "");
        while (rest.size() > longest && rest.find(' ') != std::string::npos) {
            const std::size_t fits = rest.rfind(' ', longest);
            const std::size_t end = fits == std::string::npos ? rest.find(' ') : fits;
            append(rest.substr(0, end));
            rest.erase(0, end + 1);
        }
        append(rest);
    }
    if (!line.empty()) lines.push_back(line);
}

void append_direction(std::vector<std::string>& lines, const std::string& direction, const Words& words,
                      bool rest_is_said) {
    if (!words.empty()) return append_wrapped(lines, direction, words, ", ");
    if (!rest_is_said) lines.push_back(direction + "none");
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
    const Words there = words_of(link.impairment[0]);
    const Words back = words_of(link.impairment[1]);
    const Words both = those_in(there, back, true);
    append_wrapped(lines, "", both, ", ");
    if (there != back) {
        const bool is_said = !both.empty();
        append_direction(lines, "there: ", those_in(there, back, false), is_said);
        append_direction(lines, "back: ", those_in(back, there, false), is_said);
    }
    if (const auto found = figures.find(index); found != figures.end()) lines.push_back(found->second);
    return lines;
}

std::vector<std::string> end_lines(const Topology& topology, const LinkEnd& end,
                                   const std::vector<unsigned>& degrees) {
    std::vector<std::string> lines;
    const Node& node = topology.nodes[end.node];
    if (std::holds_alternative<Switch>(node.kind)) {
        if (std::string tags = tags_of(end); !tags.empty()) lines.push_back(std::move(tags));
        return lines;
    }
    if (degrees[end.node] == 1) return lines;
    Words words{end.interface};
    for (const Prefix& address : end.addresses) words.push_back(address.to_string());
    append_wrapped(lines, "", words, " ");
    return lines;
}

}  // namespace weft::lab
