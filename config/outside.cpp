#include "config/outside.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "config/validate.h"

namespace weft::config {

namespace {

bool is_masqueraded(const Bridge& bridge) noexcept {
    return bridge.masquerade;
}

bool any_gateway(const Config& config, bool v6) noexcept {
    return std::ranges::any_of(config.bridges, [&](const Bridge& bridge) {
        return bridge.masquerade && std::ranges::any_of(bridge.gateway, [&](const Prefix& gateway) {
                   return gateway.address.is_v6() == v6;
               });
    });
}

bool is_routed(const Config& config, const Prefix& to) noexcept {
    return std::ranges::find(config.routes, to, &Route::to) != config.routes.end() ||
           std::ranges::any_of(config.peers, [&](const Peer& peer) {
               return std::ranges::find(peer.prefixes, to) != peer.prefixes.end();
           });
}

void add_default_route(Config& config, const std::string& port, const Prefix& to) {
    if (is_routed(config, to)) return;
    Route route;
    route.to = to;
    route.port = port;
    route.implied = true;
    config.routes.push_back(std::move(route));
}

}  // namespace

const Port* find_outside(const Config& config) noexcept {
    const auto found = std::ranges::find_if(
        config.ports, [](const Port& port) { return port.type == Port::Type::tun && !port.netns; });
    return found == config.ports.end() ? nullptr : &*found;
}

void add_outside(Config& config) {
    if (std::ranges::none_of(config.bridges, is_masqueraded)) return;
    if (find_outside(config) == nullptr) {
        Port port;
        port.name = outside_port;
        port.type = Port::Type::tun;
        port.device = outside_port;
        port.implied = true;
        config.ports.push_back(std::move(port));
    }
    const std::string name = find_outside(config)->name;
    if (any_gateway(config, false)) add_default_route(config, name, {IpAddress::v4({}), 0});
    if (any_gateway(config, true)) add_default_route(config, name, {IpAddress::v6({}), 0});
}

void validate_outside(const Config& config, const Origins& origins, Report& report) {
    if (std::ranges::none_of(config.bridges, is_masqueraded) || find_outside(config) != nullptr) return;
    for (std::size_t i = 0; i < config.ports.size(); ++i) {
        const Port& port = config.ports[i];
        const bool name_taken = port.name == outside_port;
        if (!name_taken && (port.netns || port.device != outside_port)) continue;
        report.add(origins.ports[i].at(name_taken || !origins.ports[i].has("device") ? "name" : "device"),
                   fmt::format("{} is what the port is called by which masqueraded bridges reach the host",
                               quoted(outside_port)),
                   "use another name, or add a tun port without netns, which is then used instead");
    }
}

}  // namespace weft::config
