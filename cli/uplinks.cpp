#include "cli/uplinks.h"

#include <set>

#include "vswitch/netlink.h"

namespace weft {

namespace {

std::vector<Uplink> named(Netlink& netlink, const std::vector<std::string>& names) {
    std::vector<Uplink> uplinks;
    for (const std::string& name : names) {
        const auto link = netlink.link(name);
        uplinks.push_back({name, link ? static_cast<unsigned>(link->index) : 0});
    }
    return uplinks;
}

}  // namespace

std::vector<Uplink> find_uplinks(const config::Config& config) {
    Netlink netlink;
    if (!config.fast_path.uplinks.empty()) return named(netlink, config.fast_path.uplinks);
    if (config.underlay.device) return named(netlink, {*config.underlay.device});
    std::set<int> interfaces = netlink.default_route_interfaces();
    for (const config::Peer& peer : config.peers) {
        const auto address = peer.endpoint_host ? IpAddress::parse(*peer.endpoint_host) : std::nullopt;
        const auto interface = address ? netlink.route_interface(*address) : std::nullopt;
        if (interface) interfaces.insert(*interface);
    }
    std::vector<Uplink> uplinks;
    for (const int interface : interfaces) {
        const auto name = netlink.name(interface);
        if (name && *name != "lo") uplinks.push_back({*name, static_cast<unsigned>(interface)});
    }
    return uplinks;
}

}  // namespace weft
