// [[bridge]].
#include <algorithm>

#include <fmt/format.h>

#include "config/fields.h"
#include "config/read.h"

namespace weft::config {

namespace {

constexpr std::uint32_t most_stations = 1U << 20U;
constexpr std::chrono::seconds min_aging{1};
constexpr std::chrono::seconds max_aging{1'000'000};  // IEEE 802.1Q-2018 table 8-6

void read_limits(const Section& section, Bridge& bridge) {
    if (const auto limit = read_number(section, "max_stations", 1, most_stations))
        bridge.max_stations = *limit;
    bridge.max_stations_per_port = std::min(bridge.max_stations_per_port, bridge.max_stations);
    const auto per_port = read_number(section, "max_stations_per_port", 1, most_stations);
    if (!per_port) return;
    bridge.max_stations_per_port = *per_port;
    if (*per_port > bridge.max_stations) {
        section.problem("max_stations_per_port",
                        fmt::format("'max_stations_per_port' is {}, more than max_stations = {}", *per_port,
                                    bridge.max_stations),
                        fmt::format("use 1 to {}", bridge.max_stations));
    }
}

}  // namespace

Bridge read_bridge(const Section& section) {
    section.check();
    Bridge bridge;
    bridge.name = read_name(section);
    if (const auto vni = read_number(section, "vni", 1, max_vni)) bridge.vni = Vni{*vni};
    bridge.aging = read_duration(section, "aging", min_aging, max_aging).value_or(bridge.aging);
    read_limits(section, bridge);
    bridge.gateway = read_interface_addresses(section, "gateway");
    bridge.gateway_mac = read_mac(section, "gateway_mac");
    bridge.arp_suppress = section.boolean("arp_suppress").value_or(false);
    bridge.masquerade = section.boolean("masquerade").value_or(false);
    if (bridge.masquerade && !section.has("gateway")) {
        section.report().add(section.at_key("masquerade"), "'masquerade' without 'gateway'",
                             "add gateway = [\"10.10.0.1/24\"], or remove it");
    }
    if (section.has("gateway_mac") && !section.has("gateway")) {
        section.report().add(section.at_key("gateway_mac"), "'gateway_mac' without 'gateway'",
                             "add gateway = [\"10.10.0.1/24\"], or remove it");
    }
    return bridge;
}

}  // namespace weft::config
