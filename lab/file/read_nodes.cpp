// The sections that are nodes.
#include <algorithm>

#include <fmt/format.h>

#include "config/fields.h"
#include "config/read.h"
#include "lab/file/draft.h"
#include "lab/file/lab_fields.h"
#include "lab/file/lab_schema.h"

namespace weft::lab {

namespace {

using config::quoted;
using config::Section;

constexpr std::size_t most_nodes = 10'000;

std::optional<IpAddress> next_hop(const Section& section, std::string_view key, std::size_t element,
                                  const std::string& text) {
    const auto address = IpAddress::parse(text);
    if (address && !address->is_unspecified() && !address->is_multicast() && !address->is_loopback())
        return address;
    section.report().add(section.at(key, element),
                         fmt::format("{} is not the address of a next hop", quoted(text)),
                         "write it as in \"10.0.0.1\"");
    return std::nullopt;
}

HostRoute read_host_route(const Section& section) {
    section.check();
    HostRoute route;
    if (const auto via = section.text("via")) route.via = next_hop(section, "via", 0, *via);
    route.device = config::read_device(section, "device");
    if (section.text("to") == "default") {
        const bool is_v6 = route.via && route.via->is_v6();
        route.to = Prefix{is_v6 ? IpAddress::v6({}) : IpAddress{}, 0};
    } else {
        route.to = config::read_network(section, "to").value_or(Prefix{});
    }
    if (!section.has("via") && !section.has("device")) {
        section.report().add(section.at(), "the route leads nowhere", "add via = \"10.0.0.1\"");
    } else if (route.via && route.via->is_v6() != route.to.address.is_v6() && section.has("to")) {
        section.problem(
            "via",
            fmt::format("{} and {} are of different families", route.via->to_string(), route.to.to_string()),
            "use a next hop of the route's family");
    }
    return route;
}

std::vector<HostRoute> read_host_routes(const Section& section) {
    std::vector<HostRoute> routes;
    for (const Section& route : section.tables("routes", host_route_schema))
        routes.push_back(read_host_route(route));
    return routes;
}

// `address`, `gateway` and `routes` of a host or a site.
std::vector<HostRoute> read_reach(const Section& section, NodeDraft& draft) {
    draft.addresses = read_addresses(section, "address");
    draft.addresses_at = section.at("address");
    std::vector<HostRoute> routes = read_host_routes(section);
    const auto gateways = section.scalars("gateway");
    draft.has_default_route = !gateways.empty() || std::ranges::any_of(routes, [](const HostRoute& route) {
        return route.to.length == 0;
    });
    for (std::size_t i = 0; i < gateways.size(); ++i) {
        if (gateways[i] == "none") continue;
        const auto via = next_hop(section, "gateway", i, gateways[i]);
        if (!via) continue;
        const Prefix everything{via->is_v6() ? IpAddress::v6({}) : IpAddress{}, 0};
        routes.push_back({.to = everything, .via = via, .device = std::nullopt});
    }
    return routes;
}

Host read_host(const Section& section, NodeDraft& draft) {
    Host host;
    host.routes = read_reach(section, draft);
    host.sysctl = read_sysctl(section);
    host.run = read_commands(section, "run");
    return host;
}

Site read_site(const Section& section, NodeDraft& draft) {
    Site site;
    site.config = config::read_path(section, "config").value_or("");
    site.routes = read_reach(section, draft);
    site.sysctl = read_sysctl(section);
    site.run = read_commands(section, "run");
    return site;
}

Router read_router(const Section& section) {
    Router router;
    for (const Section& one : section.tables("routes", host_route_schema)) {
        const HostRoute route = read_host_route(one);
        if (one.has("device")) {
            one.report().add(one.at_key("device"), "a router's route leads to a next hop",
                             "write via = \"10.0.0.254\" instead");
        }
        config::Route made;
        made.to = route.to;
        made.via = route.via;
        router.routes.push_back(std::move(made));
    }
    return router;
}

NodeDraft begin_node(const Section& section) {
    section.check();
    NodeDraft draft;
    draft.node.name = config::read_name(section);
    draft.at = section.at("name");
    if (!draft.node.name.empty() && draft.node.name.find_first_not_of('.') == std::string::npos)
        section.problem("name", fmt::format("{} is not a name", quoted(draft.node.name)), "use letters");
    return draft;
}

}  // namespace

void read_nodes(Unfolder& unfolder, Draft& draft) {
    const auto add = [&](const Section& section, NodeDraft node) {
        if (draft.nodes.size() >= most_nodes) {
            section.problem("name", fmt::format("more than {} nodes", most_nodes), "divide the lab");
            return;
        }
        draft.nodes.push_back(std::move(node));
    };
    unfolder.each("host", host_schema, [&](const Section& section) {
        NodeDraft node = begin_node(section);
        node.node.kind = read_host(section, node);
        add(section, std::move(node));
    });
    unfolder.each("switch", switch_schema(), [&](const Section& section) {
        NodeDraft node;
        node.at = section.at("name");
        node.node.kind = Switch{config::read_bridge(section)};
        node.node.name = std::get<Switch>(node.node.kind).bridge.name;
        add(section, std::move(node));
    });
    unfolder.each("router", router_schema, [&](const Section& section) {
        NodeDraft node = begin_node(section);
        node.node.kind = read_router(section);
        add(section, std::move(node));
    });
    unfolder.each("site", site_schema, [&](const Section& section) {
        NodeDraft node = begin_node(section);
        node.node.kind = read_site(section, node);
        add(section, std::move(node));
    });
    unfolder.each("interface", interface_schema, [&](const Section& section) {
        NodeDraft node = begin_node(section);
        node.node.kind = RealInterface{config::read_device(section, "device").value_or("")};
        add(section, std::move(node));
    });
    // A range's nodes stand at one place, and stay in their order.
    std::ranges::stable_sort(draft.nodes, {}, &NodeDraft::at);
}

}  // namespace weft::lab
