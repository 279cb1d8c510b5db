#include "lab/switch_loop.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lab/disjoint_sets.h"

namespace weft::lab {

namespace {

using Vertex = DisjointSets::Vertex;  // a VLAN at a switch

class Finder {
  public:
    explicit Finder(const Topology& topology) : topology_(&topology) {
        vlans_.insert(untagged);
        for (const Link& link : topology.links) {
            for (const LinkEnd& end : link.ends) {
                if (end.vlan) vlans_.insert(*end.vlan);
                vlans_.insert(end.trunk.begin(), end.trunk.end());
            }
        }
    }

    std::optional<SwitchLoop> run(Closed closed) {
        for (LinkIndex i = 0; i < topology_->links.size(); ++i) {
            const Link& link = topology_->links[i];
            const bool is_up = link.impairment[0].up && link.impairment[1].up;
            if (!is_switch(link.ends[0].node) || !is_switch(link.ends[1].node)) continue;
            if (closed == Closed::now && !is_up) continue;
            // Both ports of a link between switches are in the same VLANs.
            for (const VlanId vlan : carried_by(link.ends[0])) {
                const Vertex a = vertex(link.ends[0].node, vlan);
                const Vertex b = vertex(link.ends[1].node, vlan);
                if (sets_.root(a) == sets_.root(b)) return loop(a, b, i, vlan);
                sets_.join(a, b);
                at_[a].links.emplace_back(i, b);
                at_[b].links.emplace_back(i, a);
            }
        }
        return std::nullopt;
    }

  private:
    struct Place {
        NodeIndex node;
        std::vector<std::pair<LinkIndex, Vertex>> links;  // of a tree
    };

    [[nodiscard]] bool is_switch(NodeIndex node) const noexcept {
        return std::holds_alternative<Switch>(topology_->nodes[node].kind);
    }

    [[nodiscard]] std::set<VlanId> carried_by(const LinkEnd& port) const {
        if (port.vlan) return {*port.vlan};
        return port.trunk.empty() ? vlans_ : std::set<VlanId>{port.trunk.begin(), port.trunk.end()};
    }

    Vertex vertex(NodeIndex node, VlanId vlan) {
        const auto [found, is_new] = vertices_.try_emplace({node, vlan}, at_.size());
        if (is_new) {
            sets_.add();
            at_.push_back({node, {}});
        }
        return found->second;
    }

    // The way from `a` to `b` in their tree, and back by `closing`.
    [[nodiscard]] SwitchLoop loop(Vertex a, Vertex b, LinkIndex closing, VlanId vlan) const {
        std::map<Vertex, std::pair<LinkIndex, Vertex>> towards_b{{b, {closing, a}}};
        std::vector<Vertex> reached{b};
        for (std::size_t i = 0; i < reached.size() && !towards_b.contains(a); ++i) {
            for (const auto& [link, next] : at_[reached[i]].links) {
                if (towards_b.try_emplace(next, link, reached[i]).second) reached.push_back(next);
            }
        }
        SwitchLoop found{.switches = {}, .links = {}, .vlan = vlan};
        Vertex at = a;
        do {
            const auto& [link, next] = towards_b.at(at);
            found.switches.push_back(at_[at].node);
            found.links.push_back(link);
            at = next;
        } while (at != a);
        return found;
    }

    const Topology* topology_;
    std::set<VlanId> vlans_;
    DisjointSets sets_;
    std::map<std::pair<NodeIndex, VlanId>, Vertex> vertices_;
    std::vector<Place> at_;  // by vertex
};

std::string in_brief(std::vector<std::string> names) {
    constexpr std::size_t enough = 8;
    const std::size_t more = names.size() - std::min(names.size(), enough);
    names.resize(names.size() - more);
    return more == 0 ? fmt::format("{}", fmt::join(names, ", "))
                     : fmt::format("{} and {} more", fmt::join(names, ", "), more);
}

}  // namespace

std::optional<SwitchLoop> find_switch_loop(const Topology& topology, Closed closed) {
    return Finder{topology}.run(closed);
}

std::string describe(const SwitchLoop& loop, const Topology& topology) {
    std::vector<std::string> switches;
    std::vector<std::string> links;
    switches.reserve(loop.switches.size());
    links.reserve(loop.links.size());
    for (const NodeIndex node : loop.switches) switches.push_back(topology.nodes[node].name);
    for (const LinkIndex link : loop.links) links.push_back(topology.links[link].name);
    const std::string what =
        switches.size() == 1 ? fmt::format("the switch {} is linked to itself by {}", switches[0], links[0])
                             : fmt::format("the switches {} are in a loop by the links {}",
                                           in_brief(switches), in_brief(links));
    const std::string where = loop.vlan == untagged ? "" : fmt::format(" in VLAN {}", loop.vlan.value());
    return fmt::format(
        "{}{}: a broadcast may go round in it for ever: set a link of it down (up = false), or use "
        "[[router]]s",
        what, where);
}

StormGuard::StormGuard(const Topology& topology)
    : topology_(&topology), loop_(find_switch_loop(topology, Closed::possibly)) {}

// Without a storm a frame comes by each direction of each link once, and is answered once. Nodes have a few
// of their own to send, as questions for addresses.
void StormGuard::judge(std::uint64_t carried, std::uint64_t sent, Duration elapsed) {
    constexpr std::uint64_t copies = 16;
    constexpr std::uint64_t beginning_s = 10;
    const auto seconds = static_cast<std::uint64_t>(elapsed / std::chrono::seconds{1});
    const std::uint64_t own = topology_->nodes.size() * (seconds + beginning_s);
    allowed_ = copies * 2 * topology_->links.size() * (sent + own);
    if (carried < allowed_ || !loop_) return;
    throw std::runtime_error(
        fmt::format("{}: a storm: in {:.3f} s the links have carried {} frames, of {} that were sent: {}",
                    topology_->file, std::chrono::duration<double>{elapsed}.count(), carried, sent,
                    describe(*loop_, *topology_)));
}

}  // namespace weft::lab
