#include "cli/kernel_routes.h"

#include <algorithm>
#include <iterator>

#include <spdlog/spdlog.h>

namespace weft {

namespace {

bool has_kernel_routes(const config::Port& port) {
    return port.type == config::Port::Type::tun && port.kernel_routes;
}

}  // namespace

std::set<Prefix> routes_over(const config::Config& config, const config::Port& tun) {
    std::set<Prefix> routes;
    for (const auto& peer : config.peers) routes.insert(peer.prefixes.begin(), peer.prefixes.end());
    for (const auto& bridge : config.bridges) {
        for (const Prefix& gateway : bridge.gateway) routes.insert(gateway.network());
    }
    for (const auto& route : config.routes) {
        if (route.port != tun.name) routes.insert(route.to);
    }
    // What a device of ours in the same namespace has an address in is reached by that device. A packet
    // port's addresses are its station's.
    for (const auto& port : config.ports) {
        if (port.netns != tun.netns || port.type == config::Port::Type::packet) continue;
        for (const Prefix& own : port.address) routes.erase(own.network());
    }
    std::erase_if(routes, [](const Prefix& route) { return route.length == 0; });
    // Of two TUNs in one namespace the first takes what both could.
    for (const auto& earlier : config.ports) {
        if (&earlier == &tun) break;
        if (!has_kernel_routes(earlier) || earlier.netns != tun.netns) continue;
        for (const Prefix& taken : routes_over(config, earlier)) routes.erase(taken);
    }
    return routes;
}

std::set<Prefix> KernelRoutes::installed(const std::string& tun) const {
    const auto found = installed_.find(tun);
    return found == installed_.end() ? std::set<Prefix>{} : found->second;
}

void KernelRoutes::sync(const config::Config& config, const Carry& carry) {
    for (const config::Port& tun : config.ports) {
        if (!has_kernel_routes(tun)) continue;
        const std::set<Prefix> wanted = routes_over(config, tun);
        std::set<Prefix>& installed = installed_[tun.name];
        if (wanted == installed) continue;
        Keeper::Routes routes{.netns = tun.netns, .device = tun.device, .add = {}, .remove = {}};
        std::ranges::set_difference(wanted, installed, std::inserter(routes.add, routes.add.end()));
        std::ranges::set_difference(installed, wanted, std::inserter(routes.remove, routes.remove.end()));
        const std::set<Prefix> refused = carry(routes);
        installed.clear();
        std::ranges::set_difference(wanted, refused, std::inserter(installed, installed.end()));
        for (const Prefix& route : refused) {
            spdlog::warn("port {}: there is another route to {} already, which stays as it is", tun.name,
                         route.to_string());
        }
    }
}

}  // namespace weft
