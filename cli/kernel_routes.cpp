#include "cli/kernel_routes.h"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "vswitch/netlink.h"
#include "vswitch/netns.h"

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
    // What a device of ours in the same namespace has an address in is reached by that device.
    for (const auto& port : config.ports) {
        if (port.netns != tun.netns) continue;
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

void KernelRoutes::sync(const config::Config& config) {
    for (const config::Port& tun : config.ports) {
        if (!has_kernel_routes(tun)) continue;
        const std::set<Prefix> wanted = routes_over(config, tun);
        std::set<Prefix>& installed = installed_[tun.name];
        if (wanted == installed) continue;
        in_namespace(tun.netns, [&] {
            Netlink netlink;
            for (const Prefix& route : std::set(installed)) {
                if (wanted.contains(route)) continue;
                netlink.remove_route(route, tun.device);
                installed.erase(route);
            }
            for (const Prefix& route : wanted) {
                if (installed.contains(route)) continue;
                if (netlink.add_route(route, tun.device)) {
                    installed.insert(route);
                } else {
                    spdlog::warn("port {}: there is another route to {} already, which stays as it is",
                                 tun.name, route.to_string());
                }
            }
        });
    }
}

}  // namespace weft
