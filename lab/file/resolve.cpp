#include "lab/file/resolve.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "cli/derived.h"
#include "config/nearest.h"
#include "config/unique.h"

namespace weft::lab {

namespace {

using config::Position;
using config::quoted;
using config::Report;

template <class Index>
std::optional<Index> find(const std::map<std::string, Index>& known, std::string_view kind,
                          const std::string& name, Position at, Report& report) {
    if (const auto found = known.find(name); found != known.end()) return found->second;
    std::vector<std::string_view> names;
    names.reserve(known.size());
    for (const auto& [other, index] : known) names.push_back(other);
    report.add(at, fmt::format("no {} {}", kind, quoted(name)),
               config::did_you_mean(name, names, fmt::format("add a {} with this name", kind)));
    return std::nullopt;
}

class Resolver {
  public:
    Resolver(const Draft& draft, Topology& topology, Report& report) noexcept
        : draft_(&draft), topology_(&topology), report_(&report) {}

    Names run() {
        add_nodes();
        reserve_interfaces();
        for (const LinkDraft& link : draft_->links) add_link(link);
        check_nodes();
        return std::move(names_);
    }

  private:
    void add_nodes() {
        config::Unique<std::string> seen;
        for (const NodeDraft& node : draft_->nodes) {
            const auto index = static_cast<NodeIndex>(topology_->nodes.size());
            topology_->nodes.push_back(node.node);
            if (node.node.name.empty()) continue;
            if (const auto first = seen.seen(node.node.name, node.at)) {
                report_->add(node.at, fmt::format("a second node {}", quoted(node.node.name)),
                             fmt::format("rename it or the one in line {}", first->line));
                continue;
            }
            names_.nodes.emplace(node.node.name, index);
        }
        used_.resize(topology_->nodes.size());
        next_.resize(topology_->nodes.size());
        links_.resize(topology_->nodes.size());
    }

    // Interfaces that the file names are no automatic ones', wherever it does so.
    void reserve_interfaces() {
        for (const LinkDraft& link : draft_->links) {
            for (const EndDraft& end : link.ends) {
                const auto node = names_.nodes.find(end.node);
                if (node == names_.nodes.end() || end.interface.empty()) continue;
                if (const auto first = interfaces_.seen({node->second, end.interface}, end.at)) {
                    report_->add(end.at,
                                 fmt::format("a second interface {} of {}", quoted(end.interface), end.node),
                                 fmt::format("rename it or the one in line {}", first->line));
                }
                used_[node->second].insert(end.interface);
            }
        }
    }

    void add_link(const LinkDraft& draft) {
        Link link;
        link.name = unique_name(draft);
        link.impairment = draft.impairment;
        bool has_switch = false;
        bool is_whole = true;
        for (std::size_t which = 0; which < 2; ++which) {
            const EndDraft& end = draft.ends[which];
            if (end.node.empty() && end.at == Position{}) return;  // said when it was read
            const auto node = find_node(names_, end.node, end.at, *report_);
            if (!node) {
                is_whole = false;
                continue;
            }
            has_switch = has_switch || std::holds_alternative<Switch>(topology_->nodes[*node].kind);
            link.ends[which] = make_end(draft, end, *node, link.name);
        }
        if (!is_whole) return;
        if (!has_switch && (draft.vlan || !draft.trunk.empty())) {
            report_->add(draft.tags_at, "a link with VLANs, but without a switch",
                         "remove 'vlan' and 'trunk'; hosts tag by devices of their own");
        }
        names_.links.emplace(link.name, static_cast<LinkIndex>(topology_->links.size()));
        topology_->links.push_back(std::move(link));
    }

    std::string unique_name(const LinkDraft& draft) {
        std::string name = draft.name;
        for (unsigned number = 2; !draft.is_named && link_names_.contains(name); ++number)
            name = fmt::format("{}.{}", draft.name, number);
        if (const auto first = names_.nodes.find(name); first != names_.nodes.end()) {
            report_->add(
                draft.at, fmt::format("a link and a node of the name {}", quoted(name)),
                fmt::format("rename it or the one in line {}", draft_->nodes[first->second].at.line));
        }
        const auto [entry, is_new] = link_names_.emplace(name, draft.at);
        if (!is_new) {
            report_->add(draft.at, fmt::format("a second link {}", quoted(name)),
                         fmt::format("rename it or the one in line {}", entry->second.line));
        }
        return name;
    }

    LinkEnd make_end(const LinkDraft& link, const EndDraft& draft, NodeIndex index, const std::string& name) {
        const Node& node = topology_->nodes[index];
        LinkEnd end{.node = index,
                    .interface = name,
                    .mac = {},
                    .addresses = {},
                    .mtu = link.mtu,
                    .vlan = {},
                    .trunk = {}};
        const bool is_first = links_[index]++ == 0;
        if (std::holds_alternative<Switch>(node.kind)) {
            end.vlan = link.vlan;
            end.trunk = link.trunk;
            refuse(draft, "a port of a switch",
                   "write \"none\" here; hosts and 'gateway' of the switch have addresses");
            return end;
        }
        if (const auto* real = std::get_if<RealInterface>(&node.kind)) {
            end.interface = real->device;
            refuse(draft, "an interface of the machine", "write \"none\" here, and set it on the device");
            if (!is_first) {
                report_->add(draft.at, fmt::format("a second link to {}, which is one interface", node.name),
                             "put a switch between them");
            }
            return end;
        }
        end.interface = draft.interface.empty() ? next_interface(index) : draft.interface;
        end.addresses = draft.addresses;
        if (is_first && !draft.has_addresses) end.addresses = draft_->nodes[index].addresses;
        end.mac = draft.mac.value_or(derived_mac(topology_->name + " " + node.name, end.interface));
        return end;
    }

    // What only an interface with a stack behind it can have.
    void refuse(const EndDraft& end, std::string_view what, std::string_view cure) {
        if (!end.addresses.empty())
            report_->add(end.addresses_at, fmt::format("{} has no address", what), cure);
        if (end.mac) {
            report_->add(end.at, fmt::format("{} has no MAC address of its own", what),
                         "write \"auto\" in 'mac'");
        }
        if (!end.interface.empty()) {
            report_->add(end.at, fmt::format("{} has no name of its own", what),
                         fmt::format("write \"{}\"", end.node));
        }
    }

    std::string next_interface(NodeIndex node) {
        std::string name;
        do name = fmt::format("eth{}", next_[node]++);
        while (used_[node].contains(name));
        return name;
    }

    void check_nodes() {
        for (std::size_t i = 0; i < draft_->nodes.size(); ++i) {
            const NodeDraft& node = draft_->nodes[i];
            if (!node.addresses.empty() && links_[i] == 0) {
                report_->add(node.addresses_at, fmt::format("{} has an address, but no link", node.node.name),
                             fmt::format(R"(add a [[link]] with ends = ["{}", ...])", node.node.name));
            }
        }
    }

    const Draft* draft_;
    Topology* topology_;
    Report* report_;
    Names names_;
    std::map<std::string, Position> link_names_;
    config::Unique<std::pair<NodeIndex, std::string>> interfaces_;
    std::vector<std::set<std::string>> used_;  // by node: its interfaces
    std::vector<unsigned> next_;               // by node: of its automatic interfaces
    std::vector<unsigned> links_;              // by node: how many
};

}  // namespace

std::optional<NodeIndex> find_node(const Names& names, const std::string& name, Position at, Report& report) {
    return find(names.nodes, "node", name, at, report);
}

std::optional<LinkIndex> find_link(const Names& names, const std::string& name, Position at, Report& report) {
    return find(names.links, "link", name, at, report);
}

Names resolve(const Draft& draft, Topology& topology, Report& report) {
    return Resolver{draft, topology, report}.run();
}

}  // namespace weft::lab
