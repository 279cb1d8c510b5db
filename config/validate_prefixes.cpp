// The routing table that the file describes: networks of gateways and tun ports, prefixes of peers, routes,
// next hops. Longest-prefix match sorts out what nests, with two exceptions where nesting is a mistake: two
// bridges with the same hosts, and two peers that may send from the same sources. And no network can lead to
// two places.
#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "config/validate.h"

namespace weft::config {

namespace {

// An entry of the routing table, and whose it is.
struct Claim {
    enum class Kind : std::uint8_t { gateway, tun, peer, route };

    Prefix network;
    Kind kind;
    std::size_t owner;  // index within the kind
    Position at;
    std::string text;  // "a network of bridge 'lan'"
};

void add_claims(std::vector<Claim>& claims, const std::vector<Prefix>& prefixes, Claim::Kind kind,
                std::size_t owner, const Section& section, std::string_view key, const std::string& text) {
    for (std::size_t i = 0; i < prefixes.size(); ++i)
        claims.push_back({prefixes[i].network(), kind, owner, section.at(key, i), text});
}

std::vector<Claim> all_claims(const Config& config, const Origins& origins) {
    std::vector<Claim> claims;
    for (std::size_t i = 0; i < config.bridges.size(); ++i) {
        add_claims(claims, config.bridges[i].gateway, Claim::Kind::gateway, i, origins.bridges[i], "gateway",
                   fmt::format("a network of bridge {}", quoted(config.bridges[i].name)));
    }
    for (std::size_t i = 0; i < config.ports.size(); ++i) {
        if (config.ports[i].type != Port::Type::tun) continue;
        add_claims(claims, config.ports[i].address, Claim::Kind::tun, i, origins.ports[i], "address",
                   fmt::format("a network of port {}", quoted(config.ports[i].name)));
    }
    for (std::size_t i = 0; i < config.peers.size(); ++i) {
        add_claims(claims, config.peers[i].prefixes, Claim::Kind::peer, i, origins.peers[i], "prefixes",
                   fmt::format("a prefix of peer {}", quoted(config.peers[i].name)));
    }
    for (std::size_t i = 0; i < config.routes.size(); ++i) {
        // An unreadable `to` reads as 0.0.0.0/0.
        const Section& section = origins.routes[i];
        if (const auto to = Prefix::parse(section.text("to").value_or("")); to == config.routes[i].to)
            claims.push_back({*to, Claim::Kind::route, i, section.at("to"), "the target of a route"});
    }
    return claims;
}

bool conflict(const Claim& outer, const Claim& inner) noexcept {
    if (outer.kind == inner.kind && outer.owner == inner.owner) return false;
    if (outer.network == inner.network) return true;
    return outer.kind == inner.kind &&
           (outer.kind == Claim::Kind::gateway || outer.kind == Claim::Kind::peer);
}

void report_conflict(const Claim& a, const Claim& b, Report& report) {
    const auto& [first, second] =
        std::minmax(a, b, [](const Claim& x, const Claim& y) { return x.at < y.at; });
    const std::string what =
        first.network == second.network
            ? fmt::format("{}, {}, is already {}", second.network.to_string(), second.text, first.text)
            : fmt::format("{}, {}, overlaps {}, {}", second.network.to_string(), second.text,
                          first.network.to_string(), first.text);
    report.add(second.at, what, fmt::format("change it or the one in line {}", first.at.line));
}

// In order of address and then length, everything that encloses a network stands before it, and what does not
// enclose it encloses nothing that follows: a stack of the enclosing networks suffices.
void check_overlaps(std::vector<Claim> claims, Report& report) {
    std::ranges::sort(claims, {}, [](const Claim& claim) {
        return std::tuple{claim.network.address.is_v6(), claim.network.address.octets(), claim.network.length,
                          claim.at};
    });
    std::vector<const Claim*> enclosing;
    for (const Claim& claim : claims) {
        while (!enclosing.empty() && !enclosing.back()->network.overlaps(claim.network)) enclosing.pop_back();
        const auto other = std::ranges::find_if(enclosing.rbegin(), enclosing.rend(),
                                                [&](const Claim* outer) { return conflict(*outer, claim); });
        if (other != enclosing.rend()) report_conflict(**other, claim, report);
        enclosing.push_back(&claim);
    }
}

// A next hop is a neighbor: on a gateway's network, or behind a tun port.
void check_next_hop(const std::vector<Prefix>& connected, const IpAddress& via, Position at, Report& report) {
    const auto is_own = [&](const Prefix& prefix) { return prefix.address == via; };
    const auto reaches = [&](const Prefix& prefix) { return prefix.contains(via); };
    if (std::ranges::any_of(connected, is_own)) {
        report.add(at, fmt::format("{} is this node's own address", via.to_string()),
                   "write another router's address");
    } else if (std::ranges::none_of(connected, reaches)) {
        report.add(at, fmt::format("{} is on no network of this node", via.to_string()),
                   "add a gateway address in its network to a bridge, or lead the route to a peer or port");
    }
}

void check_next_hops(const Config& config, const Origins& origins, Report& report) {
    std::vector<Prefix> connected;
    for (const Bridge& bridge : config.bridges)
        connected.insert(connected.end(), bridge.gateway.begin(), bridge.gateway.end());
    for (const Port& port : config.ports) {
        if (port.type == Port::Type::tun)
            connected.insert(connected.end(), port.address.begin(), port.address.end());
    }
    for (std::size_t i = 0; i < config.routes.size(); ++i) {
        const auto& via = config.routes[i].via;
        if (via) check_next_hop(connected, *via, origins.routes[i].at("via"), report);
    }
}

}  // namespace

void validate_prefixes(const Config& config, const Origins& origins, Report& report) {
    check_overlaps(all_claims(config, origins), report);
    check_next_hops(config, origins, report);
}

}  // namespace weft::config
