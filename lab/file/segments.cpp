#include "lab/file/segments.h"

#include <map>
#include <set>
#include <utility>

#include "lab/disjoint_sets.h"

namespace weft::lab {

namespace {

using Vertex = DisjointSets::Vertex;

class Finder {
  public:
    explicit Finder(const Topology& topology) : topology_(&topology) {
        vlans_.insert(untagged);
        for (const Link& link : topology.links) {
            for (const LinkEnd& end : link.ends) {
                if (end.vlan) vlans_.insert(*end.vlan);
                vlans_.insert(end.trunk.begin(), end.trunk.end());
            }
            ends_.push_back({sets_.add(), sets_.add()});
        }
    }

    std::vector<Segment> run() {
        for (std::size_t i = 0; i < topology_->links.size(); ++i) join_link(i);
        std::vector<Segment> segments;
        std::map<Vertex, std::size_t> by_root;
        for (std::size_t i = 0; i < topology_->links.size(); ++i) {
            for (const std::uint8_t which : {std::uint8_t{0}, std::uint8_t{1}}) {
                if (is_switch(topology_->links[i].ends[which])) continue;
                const auto [entry, is_new] =
                    by_root.try_emplace(sets_.root(ends_[i][which]), segments.size());
                if (is_new) segments.emplace_back();
                segments[entry->second].ends.push_back({static_cast<LinkIndex>(i), which});
            }
        }
        for (const auto& [place, vertex] : switches_) {
            if (place.second != untagged) continue;
            const auto found = by_root.find(sets_.root(vertex));
            if (found != by_root.end()) segments[found->second].switches.push_back(place.first);
        }
        return segments;
    }

  private:
    [[nodiscard]] bool is_switch(const LinkEnd& end) const noexcept {
        return std::holds_alternative<Switch>(topology_->nodes[end.node].kind);
    }

    Vertex at_switch(NodeIndex node, VlanId vlan) {
        const auto found = switches_.find({node, vlan});
        if (found != switches_.end()) return found->second;
        return switches_.emplace(std::pair{node, vlan}, sets_.add()).first->second;
    }

    void join_link(std::size_t index) {
        const auto& [a, b] = topology_->links[index].ends;
        const auto& [at_a, at_b] = ends_[index];
        if (!is_switch(a) && !is_switch(b)) {
            sets_.join(at_a, at_b);
        } else if (is_switch(a) && is_switch(b)) {
            if (a.vlan && b.vlan) {  // a link's, so either both or none
                sets_.join(at_switch(a.node, *a.vlan), at_switch(b.node, *b.vlan));
                return;
            }
            const std::set<VlanId> trunk{a.trunk.begin(), a.trunk.end()};
            for (const VlanId vlan : trunk.empty() ? vlans_ : trunk)
                sets_.join(at_switch(a.node, vlan), at_switch(b.node, vlan));
        } else {
            const LinkEnd& port = is_switch(a) ? a : b;
            if (!port.trunk.empty()) return;  // the host's own VLAN devices are in it
            sets_.join(is_switch(a) ? at_b : at_a, at_switch(port.node, port.vlan.value_or(untagged)));
        }
    }

    const Topology* topology_;
    DisjointSets sets_;
    std::set<VlanId> vlans_;
    std::vector<std::array<Vertex, 2>> ends_;  // by link
    std::map<std::pair<NodeIndex, VlanId>, Vertex> switches_;
};

}  // namespace

std::vector<Segment> find_segments(const Topology& topology) {
    return Finder{topology}.run();
}

}  // namespace weft::lab
