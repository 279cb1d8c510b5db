// The objects of the state file, and of the methods that add them: from JSON and to JSON.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/params.h"
#include "cli/rpc.h"
#include "cli/runtime_state.h"
#include "config/report.h"

namespace weft {

using nlohmann::json;

namespace {

constexpr std::size_t max_labels = 64;
constexpr std::size_t max_label_name = 255;
constexpr std::size_t max_label = 1024;

constexpr std::array port_keys{
    Param{"name", true, R"("name": "c1-eth0")"},
    Param{"type", true, R"("type": "veth")"},
    Param{"netns", true, R"("netns": "/run/netns/c1")"},
    Param{"device", false, R"("device": "eth0")"},
    Param{"bridge", true, R"("bridge": "lan")"},
    Param{"address", false, R"("address": ["10.10.0.11/24"])"},
    Param{"mac", false, R"("mac": "02:00:00:00:00:11")"},
    Param{"mtu", false, R"("mtu": 1400)"},
    Param{"vlan", false, R"("vlan": 10)"},
    Param{"isolated", false, R"("isolated": true)"},
    Param{"spoof_check", false, R"("spoof_check": true)"},
    Param{"labels", false, R"("labels": {"app": "web"})"},
};

constexpr std::array bridge_keys{
    Param{"name", true, R"("name": "pods")"},
    Param{"vni", false, R"("vni": 100)"},
    Param{"gateway", false, R"("gateway": ["10.10.0.1/24"])"},
    Param{"masquerade", false, R"("masquerade": true)"},
};

constexpr std::array lease_keys{
    Param{"owner", true, R"("owner": "c1/eth0")"},
    Param{"pool", true, R"("pool": "pods")"},
    Param{"address", true, R"("address": ["10.10.0.11/24"])"},
};

void check_type(const Params& params) {
    const auto type = params.text("type").value_or(std::string{});
    if (type != "veth") {
        Params::refuse(
            params.place("type"),
            {fmt::format("{} is no type of port that can be added at run time", config::quoted(type)),
             "write \"veth\", or add the port to the configuration file"});
    }
}

std::string device_of(const Params& params, const std::string& name) {
    if (const auto device = params.value("device", config::parse_device_name)) return *device;
    if (!config::is_device_name(name)) {
        Params::refuse(params.place("name"),
                       {fmt::format("port {} cannot lend its name to its device", config::quoted(name)),
                        "use 15 characters at most, or add \"device\": \"eth0\""});
    }
    return name;
}

std::map<std::string, std::string> labels_of(const Params& params) {
    auto labels = params.texts_by_name("labels");
    if (labels.size() > max_labels) {
        Params::refuse(params.place("labels"), {fmt::format("{} labels", labels.size()),
                                                fmt::format("a port has {} at most", max_labels)});
    }
    for (const auto& [name, label] : labels) {
        if (name.empty() || name.size() > max_label_name || label.size() > max_label) {
            Params::refuse(params.place("labels"),
                           {fmt::format("{} is too long, or without a name", config::quoted(name)),
                            fmt::format("use names of 1 to {} bytes, and labels of {} at most",
                                        max_label_name, max_label)});
        }
    }
    return labels;
}

std::vector<std::string> to_texts(const std::vector<Prefix>& prefixes) {
    std::vector<std::string> texts;
    texts.reserve(prefixes.size());
    for (const Prefix& prefix : prefixes) texts.push_back(prefix.to_string());
    return texts;
}

// Params know that it is there.
std::string name_of(const Params& params, std::string_view key) {
    return params.value(key, config::parse_name).value_or(std::string{});
}

}  // namespace

RuntimePort port_from_json(const json& object, const std::string& path) {
    const Params params{object, port_keys, path};
    RuntimePort made;
    config::Port& port = made.port;
    port.name = name_of(params, "name");
    check_type(params);
    port.type = config::Port::Type::veth;
    port.device = device_of(params, port.name);
    port.netns = params.value("netns", config::parse_netns);
    port.bridge = name_of(params, "bridge");
    port.address = params.interface_addresses("address");
    port.mac = params.value("mac", config::parse_station_mac);
    if (const auto mtu = params.integer("mtu", config::min_mtu, config::max_mtu))
        port.mtu = static_cast<std::uint16_t>(*mtu);
    if (const auto vlan = params.integer("vlan"))
        port.vlan = Params::checked(params.place("vlan"), config::parse_vlan(*vlan));
    port.isolated = params.boolean("isolated").value_or(false);
    port.spoof_check = params.boolean("spoof_check").value_or(true);
    made.labels = labels_of(params);

    if (port.mtu && *port.mtu < config::min_v6_mtu && config::has_v6(port.address)) {
        Params::refuse(params.place("mtu"),
                       {fmt::format("an MTU of {} is too small for IPv6", *port.mtu),
                        fmt::format("use {} or more, or remove the IPv6 addresses", config::min_v6_mtu)});
    }
    return made;
}

RuntimeBridge bridge_from_json(const json& object, const std::string& path) {
    const Params params{object, bridge_keys, path};
    RuntimeBridge made;
    made.bridge.name = name_of(params, "name");
    if (const auto vni = params.integer("vni", 1, max_vni))
        made.bridge.vni = Vni{static_cast<std::uint32_t>(*vni)};
    made.bridge.gateway = params.interface_addresses("gateway");
    made.bridge.masquerade = params.boolean("masquerade").value_or(false);
    if (made.bridge.masquerade && made.bridge.gateway.empty()) {
        Params::refuse(params.place("masquerade"),
                       {"needs 'gateway'", "add \"gateway\": [\"10.10.0.1/24\"], or remove it"});
    }
    return made;
}

Lease lease_from_json(const json& object, const std::string& path) {
    const Params params{object, lease_keys, path};
    return {.owner = params.text("owner").value_or(std::string{}),
            .pool = name_of(params, "pool"),
            .addresses = params.interface_addresses("address")};
}

json to_json(const RuntimePort& made) {
    const config::Port& port = made.port;
    json object{{"name", port.name},
                {"type", "veth"},
                {"netns", port.netns.value_or(std::string{})},
                {"device", port.device},
                {"bridge", port.bridge.value_or(std::string{})},
                {"address", to_texts(port.address)},
                {"isolated", port.isolated},
                {"spoof_check", port.spoof_check},
                {"labels", json::object()}};
    if (port.mac) object["mac"] = port.mac->to_string();
    if (port.mtu) object["mtu"] = *port.mtu;
    if (port.vlan) object["vlan"] = port.vlan->value();
    for (const auto& [name, label] : made.labels) object["labels"][name] = label;
    return object;
}

json to_json(const RuntimeBridge& made) {
    const config::Bridge& bridge = made.bridge;
    json object{
        {"name", bridge.name}, {"gateway", to_texts(bridge.gateway)}, {"masquerade", bridge.masquerade}};
    if (bridge.vni) object["vni"] = bridge.vni->value();
    return object;
}

json to_json(const Lease& lease) {
    return {{"owner", lease.owner}, {"pool", lease.pool}, {"address", to_texts(lease.addresses)}};
}

}  // namespace weft
