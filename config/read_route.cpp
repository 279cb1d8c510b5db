// [[route]].
#include <fmt/format.h>

#include "config/fields.h"
#include "config/read.h"

namespace weft::config {

namespace {

std::optional<IpAddress> read_next_hop(const Section& section) {
    const auto text = section.text("via");
    if (!text) return std::nullopt;
    const auto address = IpAddress::parse(*text);
    if (!address || address->is_unspecified() || address->is_multicast() || address->is_loopback()) {
        section.problem("via", fmt::format("{} is not the address of a next hop", quoted(*text)),
                        "write it as in \"10.10.0.254\"");
        return std::nullopt;
    }
    return address;
}

}  // namespace

Route read_route(const Section& section) {
    section.check();
    Route route;
    route.to = read_network(section, "to").value_or(Prefix{});
    route.via = read_next_hop(section);
    route.peer = section.text("peer");
    route.port = section.text("port");

    const int ways = int{section.has("via")} + int{section.has("peer")} + int{section.has("port")};
    if (ways != 1) {
        section.report().add(section.at(),
                             ways == 0 ? "the route leads nowhere" : "the route leads more than one way",
                             "give exactly one of 'via', 'peer' and 'port'");
    }
    if (section.has("to") && route.via && route.to != Prefix{} &&
        route.via->is_v6() != route.to.address.is_v6()) {
        section.problem("via",
                        fmt::format("{} is an {} address, but the route is to {}", route.via->to_string(),
                                    route.via->is_v6() ? "IPv6" : "IPv4", route.to.to_string()),
                        "use a next hop of the same family");
    }
    return route;
}

}  // namespace weft::config
