// A port's bridge, a peer's bridges, where a route leads.
#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "config/nearest.h"
#include "config/unique.h"
#include "config/validate.h"

namespace weft::config {

namespace {

template <class Object>
std::vector<std::string_view> names_of(const std::vector<Object>& objects) {
    std::vector<std::string_view> names;
    names.reserve(objects.size());
    for (const Object& object : objects) names.push_back(object.name);
    std::ranges::sort(names);
    return names;
}

// One kind of object, and the references to it.
class Targets {
  public:
    template <class Object>
    Targets(std::string_view kind, const std::vector<Object>& objects, Report& report)
        : kind_(kind), names_(names_of(objects)), report_(&report) {}

    bool check(std::string_view name, Position at) const {
        if (std::ranges::binary_search(names_, name)) return true;
        report_->add(at, fmt::format("there is no {} {}", kind_, quoted(name)),
                     did_you_mean(name, names_, fmt::format("add a [[{}]] of this name", kind_)));
        return false;
    }

  private:
    std::string_view kind_;
    std::vector<std::string_view> names_;
    Report* report_;
};

// A bridge whose VNI was there but wrong counts as having one.
std::vector<std::string_view> bridges_without_vni(const Config& config, const Origins& origins) {
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < config.bridges.size(); ++i) {
        if (!origins.bridges[i].has("vni")) names.push_back(config.bridges[i].name);
    }
    std::ranges::sort(names);
    return names;
}

void check_stretched_bridges(const Config& config, const Origins& origins, const Targets& bridges,
                             Report& report) {
    const auto local_only = bridges_without_vni(config, origins);
    for (std::size_t i = 0; i < config.peers.size(); ++i) {
        Unique<std::string_view> seen;
        const auto& names = config.peers[i].bridges;
        for (std::size_t j = 0; j < names.size(); ++j) {
            const Position at = origins.peers[i].at("bridges", j);
            if (!bridges.check(names[j], at)) continue;
            if (seen.seen(names[j], at)) {
                report.add(at, fmt::format("{} stands twice in 'bridges'", quoted(names[j])), "remove one");
            } else if (std::ranges::binary_search(local_only, std::string_view{names[j]})) {
                report.add(
                    at,
                    fmt::format("bridge {} has no VNI and cannot be stretched to a peer", quoted(names[j])),
                    "add vni = 100 to the bridge");
            }
        }
    }
}

void check_route_to_port(const Config& config, const Section& route, const std::string& name,
                         Report& report) {
    const auto port = std::ranges::find(config.ports, name, &Port::name);
    if (port == config.ports.end() || port->type == Port::Type::tun) return;
    report.add(route.at("port"), fmt::format("port {} is not a tun port and takes no routes", quoted(name)),
               "name a tun port, or write via = \"...\", a host on the port's bridge");
}

void check_route_to_peer(const Config& config, const Section& route, const std::string& name,
                         Report& report) {
    const auto peer = std::ranges::find(config.peers, name, &Peer::name);
    if (peer == config.peers.end() || peer->encryption == Peer::Encryption::esp) return;
    report.add(route.at("peer"),
               fmt::format("peer {} has encryption = \"none\" and takes no routes", quoted(name)),
               "routes need a peer with encryption = \"esp\"");
}

}  // namespace

void validate_references(const Config& config, const Origins& origins, Report& report) {
    const Targets bridges{"bridge", config.bridges, report};
    const Targets ports{"port", config.ports, report};
    const Targets peers{"peer", config.peers, report};

    for (std::size_t i = 0; i < config.ports.size(); ++i) {
        const Port& port = config.ports[i];
        if (port.bridge && port.type != Port::Type::tun)
            bridges.check(*port.bridge, origins.ports[i].at("bridge"));
    }
    check_stretched_bridges(config, origins, bridges, report);
    for (std::size_t i = 0; i < config.routes.size(); ++i) {
        const Route& route = config.routes[i];
        const Section& section = origins.routes[i];
        if (route.port && ports.check(*route.port, section.at("port")))
            check_route_to_port(config, section, *route.port, report);
        if (route.peer && peers.check(*route.peer, section.at("peer")))
            check_route_to_peer(config, section, *route.peer, report);
    }
}

}  // namespace weft::config
