#include "lab/file/routing.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

namespace weft::lab {

namespace {

constexpr std::size_t most_routers = 1000;
constexpr std::size_t most_routes = 2'000'000;

// FNV-1a: the same on every machine.
std::uint64_t hash(const Prefix& network) noexcept {
    std::uint64_t value = 0xCBF29CE484222325U;
    for (const std::uint8_t byte : network.address.bytes()) value = (value ^ byte) * 0x100000001B3U;
    return value ^ value >> 32U;
}

// The address of `end` by which somebody on `network` reaches it.
std::optional<IpAddress> address_on(const LinkEnd& end, const Prefix& network) noexcept {
    for (const Prefix& own : end.addresses) {
        if (network.contains(own.address)) return own.address;
    }
    return std::nullopt;
}

class DefaultRoutes {
  public:
    DefaultRoutes(const Draft& draft, const std::vector<Segment>& segments, Topology& topology) noexcept
        : draft_(&draft), segments_(&segments), topology_(&topology) {}

    void run() {
        std::map<NodeIndex, std::vector<std::pair<SegmentEnd, const Segment*>>> ends;
        for (const Segment& segment : *segments_) {
            for (const SegmentEnd end : segment.ends)
                ends[end_of(*topology_, end).node].emplace_back(end, &segment);
        }
        for (auto& [node, places] : ends) {
            if (draft_->nodes[node].has_default_route) continue;
            std::vector<HostRoute>* routes = routes_of(topology_->nodes[node]);
            if (routes == nullptr) continue;
            std::ranges::sort(places, {}, [](const auto& place) { return place.first; });
            for (const bool is_v6 : {false, true}) {
                if (const auto via = next_hop(places, is_v6)) {
                    const IpAddress unspecified = is_v6 ? IpAddress::v6({}) : IpAddress{};
                    routes->push_back({.to = {unspecified, 0}, .via = via, .device = std::nullopt});
                }
            }
        }
    }

  private:
    static std::vector<HostRoute>* routes_of(Node& node) noexcept {
        if (Host* host = std::get_if<Host>(&node.kind)) return &host->routes;
        if (Site* site = std::get_if<Site>(&node.kind)) return &site->routes;
        return nullptr;
    }

    std::optional<IpAddress> next_hop(const std::vector<std::pair<SegmentEnd, const Segment*>>& places,
                                      bool is_v6) const {
        for (const auto& [end, segment] : places) {
            for (const Prefix& own : end_of(*topology_, end).addresses) {
                if (own.address.is_v6() != is_v6) continue;
                if (const auto via = router_on(*segment, own)) return via;
            }
        }
        return std::nullopt;
    }

    std::optional<IpAddress> router_on(const Segment& segment, const Prefix& own) const {
        for (const SegmentEnd end : segment.ends) {
            const LinkEnd& made = end_of(*topology_, end);
            if (!std::holds_alternative<Router>(topology_->nodes[made.node].kind)) continue;
            if (const auto address = address_on(made, own)) return address;
        }
        for (const NodeIndex node : segment.switches) {
            for (const Prefix& gateway : std::get<Switch>(topology_->nodes[node].kind).bridge.gateway) {
                if (own.contains(gateway.address)) return gateway.address;
            }
        }
        return std::nullopt;
    }

    const Draft* draft_;
    const std::vector<Segment>* segments_;
    Topology* topology_;
};

// Breadth first from each router, over routers and the segments between them, one family at a time.
class ShortestPaths {
  public:
    ShortestPaths(const std::vector<Segment>& segments, Topology& topology, bool is_v6)
        : segments_(&segments), topology_(&topology), is_v6_(is_v6) {
        on_segment_.resize(segments.size());
        networks_.resize(segments.size());
        for (std::size_t s = 0; s < segments.size(); ++s) {
            for (const SegmentEnd end : segments[s].ends) add_end(s, end_of(topology, end));
            for (const NodeIndex node : segments[s].switches) {
                for (const Prefix& gateway : std::get<Switch>(topology.nodes[node].kind).bridge.gateway)
                    add_network(s, gateway);
            }
        }
    }

    [[nodiscard]] std::size_t routers() const noexcept { return routers_.size(); }

    [[nodiscard]] std::size_t routes() const noexcept {
        std::size_t networks = 0;
        for (const auto& of_segment : networks_) networks += of_segment.size();
        return networks * routers_.size();
    }

    void run() {
        for (std::size_t router = 0; router < routers_.size(); ++router) {
            search(router);
            add_routes(router);
        }
    }

  private:
    static constexpr unsigned unseen = std::numeric_limits<unsigned>::max();
    static constexpr std::size_t most_ways = 16;

    struct Leg {
        std::size_t router = 0;
        const LinkEnd* end = nullptr;
    };

    struct Place {  // of a router in a search
        unsigned distance = unseen;
        std::vector<IpAddress> first_hops;
    };

    void add_end(std::size_t segment, const LinkEnd& end) {
        for (const Prefix& address : end.addresses) add_network(segment, address);
        if (!std::holds_alternative<Router>(topology_->nodes[end.node].kind)) return;
        const auto [entry, is_new] = by_node_.try_emplace(end.node, routers_.size());
        if (is_new) {
            routers_.push_back(end.node);
            segments_of_.emplace_back();
        }
        on_segment_[segment].push_back({entry->second, &end});
        segments_of_[entry->second].push_back(segment);
    }

    void add_network(std::size_t segment, const Prefix& address) {
        auto& networks = networks_[segment];
        if (address.address.is_v6() == is_v6_ &&
            std::ranges::find(networks, address.network()) == networks.end())
            networks.push_back(address.network());
    }

    void search(std::size_t from) {
        places_.assign(routers_.size(), {});
        levels_.assign(segments_->size(), unseen);
        places_[from].distance = 0;
        std::vector<std::size_t> frontier{from};
        for (unsigned distance = 0; !frontier.empty(); ++distance) {
            std::vector<std::size_t> next;
            for (const std::size_t router : frontier) {
                for (const std::size_t segment : segments_of_[router]) {
                    if (levels_[segment] != unseen && levels_[segment] != distance) continue;
                    levels_[segment] = distance;
                    expand(from, router, segment, next);
                }
            }
            frontier = std::move(next);
        }
    }

    void expand(std::size_t from, std::size_t router, std::size_t segment, std::vector<std::size_t>& next) {
        const unsigned distance = places_[router].distance + 1;
        for (const Leg& leg : on_segment_[segment]) {
            Place& place = places_[leg.router];
            if (place.distance < distance) continue;
            std::vector<IpAddress> hops;
            if (router != from) {
                hops = places_[router].first_hops;
            } else if (const auto via = neighbor(from, segment, *leg.end)) {
                hops.push_back(*via);
            }
            if (hops.empty()) continue;  // no network of this family in common
            if (place.distance == unseen) next.push_back(leg.router);
            place.distance = distance;
            for (const IpAddress& hop : hops) {
                if (place.first_hops.size() < most_ways &&
                    std::ranges::find(place.first_hops, hop) == place.first_hops.end())
                    place.first_hops.push_back(hop);
            }
        }
    }

    // An address of `end` on a network that router `from` has on this segment.
    [[nodiscard]] std::optional<IpAddress> neighbor(std::size_t from, std::size_t segment,
                                                    const LinkEnd& end) const {
        for (const Leg& leg : on_segment_[segment]) {
            if (leg.router != from) continue;
            for (const Prefix& own : leg.end->addresses) {
                if (own.address.is_v6() != is_v6_) continue;
                if (const auto address = address_on(end, own)) return address;
            }
        }
        return std::nullopt;
    }

    void add_routes(std::size_t router) {
        auto& routes = std::get<Router>(topology_->nodes[routers_[router]].kind).routes;
        std::set<Prefix> known;
        for (const config::Route& route : routes) known.insert(route.to);
        for (const std::size_t segment : segments_of_[router]) {
            for (const Prefix& network : networks_[segment]) known.insert(network);
        }
        for (std::size_t segment = 0; segment < networks_.size(); ++segment) {
            const Place* nearest = nullptr;
            for (const Leg& leg : on_segment_[segment]) {
                const Place& place = places_[leg.router];
                if (place.distance != unseen && (nearest == nullptr || place.distance < nearest->distance))
                    nearest = &place;
            }
            if (nearest == nullptr || nearest->first_hops.empty()) continue;
            for (const Prefix& network : networks_[segment]) {
                if (!known.insert(network).second) continue;
                config::Route route;
                route.to = network;
                route.via = nearest->first_hops[hash(network) % nearest->first_hops.size()];
                routes.push_back(std::move(route));
            }
        }
    }

    const std::vector<Segment>* segments_;
    Topology* topology_;
    bool is_v6_;
    std::vector<NodeIndex> routers_;
    std::map<NodeIndex, std::size_t> by_node_;
    std::vector<std::vector<std::size_t>> segments_of_;  // by router
    std::vector<std::vector<Leg>> on_segment_;           // by segment
    std::vector<std::vector<Prefix>> networks_;          // by segment
    std::vector<Place> places_;                          // by router
    std::vector<unsigned> levels_;                       // by segment
};

}  // namespace

void add_routes(const Draft& draft, const std::vector<Segment>& segments, Topology& topology,
                config::Report& report) {
    DefaultRoutes{draft, segments, topology}.run();
    for (const bool is_v6 : {false, true}) {
        ShortestPaths paths{segments, topology, is_v6};
        if (paths.routers() > most_routers || paths.routes() > most_routes) {
            const auto first = std::ranges::find_if(draft.nodes, [](const NodeDraft& node) {
                return std::holds_alternative<Router>(node.node.kind);
            });
            report.add(first->at,
                       fmt::format("{} routers are too many for routes between all of them", paths.routers()),
                       fmt::format("use {} at most, or hosts that forward", most_routers));
            return;
        }
        paths.run();
    }
}

}  // namespace weft::lab
