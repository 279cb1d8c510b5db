// Names, and what else must be there once only.
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "config/unique.h"
#include "config/validate.h"

namespace weft::config {

namespace {

template <class Object>
void unique_names(std::string_view kind, const std::vector<Object>& objects,
                  const std::vector<Section>& sections, Report& report) {
    Unique<std::string> names;
    for (std::size_t i = 0; i < objects.size(); ++i) {
        if (objects[i].name.empty()) continue;
        const Position at = sections[i].at("name");
        if (const auto first = names.seen(objects[i].name, at)) {
            report.add(at, fmt::format("a second {} {}", kind, quoted(objects[i].name)),
                       fmt::format("rename it or the one in line {}", first->line));
        }
    }
}

void unique_vnis(const Config& config, const Origins& origins, Report& report) {
    Unique<Vni> vnis;
    for (std::size_t i = 0; i < config.bridges.size(); ++i) {
        const Bridge& bridge = config.bridges[i];
        if (!bridge.vni) continue;
        const Position at = origins.bridges[i].at("vni");
        if (const auto first = vnis.seen(*bridge.vni, at)) {
            report.add(at, fmt::format("a second bridge with VNI {}", bridge.vni->value()),
                       fmt::format("change it or the one in line {}", first->line));
        }
    }
}

// ip netns makes a name a file in this folder, so both forms mean the same namespace.
std::string netns_of(const Port& port) {
    constexpr std::string_view folder = "/run/netns/";
    if (!port.netns) return {};
    return port.netns->starts_with(folder) ? port.netns->substr(folder.size()) : *port.netns;
}

Position device_position(const Section& port) noexcept {
    return port.at(port.has("device") ? "device" : "name");
}

void unique_devices(const Config& config, const Origins& origins, Report& report) {
    std::map<std::pair<std::string, std::string>, std::size_t> devices;
    for (std::size_t i = 0; i < config.ports.size(); ++i) {
        const Port& port = config.ports[i];
        if (port.device.empty()) continue;
        const auto [entry, is_new] = devices.try_emplace({netns_of(port), port.device}, i);
        const std::size_t first = entry->second;
        // Two ports of one name are reported as such.
        if (is_new || config.ports[first].name == port.name) continue;
        report.add(device_position(origins.ports[i]),
                   fmt::format("a second port with device {}", quoted(port.device)),
                   fmt::format("change its device or netns, or those of the port in line {}",
                               device_position(origins.ports[first]).line));
    }
}

}  // namespace

void validate_names(const Config& config, const Origins& origins, Report& report) {
    unique_names("bridge", config.bridges, origins.bridges, report);
    unique_names("port", config.ports, origins.ports, report);
    unique_names("peer", config.peers, origins.peers, report);
    unique_vnis(config, origins, report);
    unique_devices(config, origins, report);
}

}  // namespace weft::config
