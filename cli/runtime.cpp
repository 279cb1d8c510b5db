#include "cli/runtime.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/ipam.h"
#include "cli/params.h"
#include "config/outside.h"

namespace weft {

using nlohmann::json;

namespace {

constexpr std::array name_key{Param{"name", true, R"("name": "c1")"}};

std::string name_of(const json& params) {
    return *Params{params, name_key}.text("name");
}

template <class List>
auto find_port(List& ports, const std::string& name) {
    return std::ranges::find_if(ports, [&](const auto& entry) { return entry.port.name == name; });
}

template <class List>
auto find_bridge(List& bridges, const std::string& name) {
    return std::ranges::find_if(bridges, [&](const auto& entry) { return entry.bridge.name == name; });
}

template <class List>
bool has_name(const List& list, const std::string& name) {
    return std::ranges::any_of(list, [&](const auto& entry) { return entry.name == name; });
}

const config::Bridge* bridge_of(const config::Config& config, const config::Port& port) {
    const auto found = std::ranges::find(config.bridges, port.bridge.value_or(""), &config::Bridge::name);
    return found == config.bridges.end() ? nullptr : &*found;
}

// Whoever lives there keeps the interface.
config::Port kept(const RuntimePort& entry) {
    config::Port port = entry.port;
    port.keep = true;
    return port;
}

bool is_gone(const config::Port& port) {
    const std::string& netns = port.netns.value_or("");
    return !std::filesystem::exists(netns.starts_with('/') ? netns : "/run/netns/" + netns);
}

json texts(const auto& values) {
    json list = json::array();
    for (const auto& value : values) list.push_back(value.to_string());
    return list;
}

}  // namespace

void Runtime::begin(const std::string& state_dir) {
    path_ = runtime_state_path(state_dir, node_.config().node.name);
    state_ = RuntimeState::load(path_);
    const auto keep = [](auto& list, const auto& made) { std::erase_if(list, std::not_fn(made)); };
    keep(state_.bridges, [this](const RuntimeBridge& entry) {
        if (has_name(node_.config().bridges, entry.bridge.name)) return false;  // the file has it now
        try {
            node_.add_bridge(entry.bridge);
        } catch (const std::exception& error) {
            spdlog::warn("bridge {} of {}: {}", entry.bridge.name, path_, error.what());
        }
        return true;
    });
    keep(state_.ports, [this](const RuntimePort& entry) {
        if (is_gone(entry.port)) {
            spdlog::info("port {} of {}: its namespace is gone, and so is the port", entry.port.name, path_);
            return false;
        }
        try {
            check(entry);
            node_.add_port(kept(entry));
        } catch (const std::exception& error) {
            spdlog::warn("port {} of {}: {}", entry.port.name, path_, error.what());
        }
        return true;
    });
    changed();
    for (const UnfitLease& unfit : pools_.restore(state_.leases))
        spdlog::warn("lease of {} in pool {}: {}", unfit.lease.owner, unfit.lease.pool, unfit.why);
}

void Runtime::complete(config::Config& next) const {
    const auto refuse = [](std::string_view what, const std::string& name, std::string_view why) {
        throw std::runtime_error(
            fmt::format("{0} {1} was added at run time, and {2}: weft {0} del {1}", what, name, why));
    };
    for (const RuntimeBridge& entry : state_.bridges) {
        if (has_name(next.bridges, entry.bridge.name))
            refuse("bridge", entry.bridge.name, "the configuration has one of its name");
        next.bridges.push_back(entry.bridge);
    }
    for (const RuntimePort& entry : state_.ports) {
        if (!has_name(node_.config().ports, entry.port.name)) continue;  // it could not be had
        if (has_name(next.ports, entry.port.name))
            refuse("port", entry.port.name, "the configuration has one of its name");
        if (bridge_of(next, entry.port) == nullptr)
            refuse("port", entry.port.name,
                   fmt::format("there is no bridge {} any more", *entry.port.bridge));
        next.ports.push_back(kept(entry));
    }
}

void Runtime::changed() {
    for (const auto& [pool, address] : reserved_) pools_.unreserve(pool, address);
    reserved_.clear();
    const config::Config& config = node_.config();
    for (const AddressPools::Usage& usage : pools_.usage()) {
        if (!has_name(config.bridges, usage.pool)) pools_.remove_pool(usage.pool);
    }
    for (const config::Bridge& bridge : config.bridges) {
        for (const UnfitLease& unfit : pools_.set_pool(bridge.name, bridge.gateway))
            spdlog::warn("lease of {} in pool {}: {}", unfit.lease.owner, unfit.lease.pool, unfit.why);
    }
    for (const config::Port& port : config.ports) {
        if (!port.bridge) continue;
        for (const Prefix& address : port.address) {
            pools_.reserve(*port.bridge, address.address);
            reserved_.emplace_back(*port.bridge, address.address);
        }
    }
}

void Runtime::check(const RuntimePort& wanted) const {
    const config::Config& config = node_.config();
    const config::Port& port = wanted.port;
    if (has_name(config.ports, port.name))
        throw std::runtime_error(
            fmt::format("there is another port of the name {}: choose another name", port.name));
    if (bridge_of(config, port) == nullptr) {
        throw std::runtime_error(
            fmt::format("there is no bridge {}: add it to the configuration, or: weft bridge add {}",
                        port.bridge.value_or(""), port.bridge.value_or("")));
    }
    const auto same_device = std::ranges::find_if(config.ports, [&](const config::Port& other) {
        return other.netns == port.netns && other.device == port.device;
    });
    if (same_device != config.ports.end()) {
        throw std::runtime_error(
            fmt::format("device {} in that namespace is port {}'s: choose another name for the device",
                        port.device, same_device->name));
    }
}

void Runtime::save() {
    state_.leases = pools_.in_order_given();
    state_.save(path_);
}

json Runtime::describe(const RuntimePort& entry) const {
    const PortInfo info = node_.port(entry.port.name);
    json gateways = json::array();
    if (const config::Bridge* bridge = bridge_of(node_.config(), entry.port))
        gateways = texts(bridge->gateway);
    return {{"name", entry.port.name},
            {"device", entry.port.device},
            {"bridge", entry.port.bridge.value_or("")},
            {"mtu", info.mtu.value_or(0)},
            {"mac", info.mac.value_or(MacAddress{}).to_string()},
            {"address", texts(entry.port.address)},
            {"gateway", gateways}};
}

json Runtime::port_add(const json& params) {
    RuntimePort wanted = port_from_json(params);
    const auto found = find_port(state_.ports, wanted.port.name);
    if (found != state_.ports.end() && *found == wanted && has_name(node_.config().ports, wanted.port.name))
        return describe(wanted);
    check(wanted);
    if (found != state_.ports.end()) state_.ports.erase(found);  // it could not be had until now
    node_.add_port(kept(wanted));
    state_.ports.push_back(wanted);
    changed();
    try {
        save();
    } catch (...) {
        state_.ports.pop_back();
        node_.remove_port(wanted.port.name);
        changed();
        throw;
    }
    return describe(wanted);
}

void Runtime::release_leases(const config::Port& port) {
    for (const Lease& lease : pools_.leases()) {
        const bool is_ports = std::ranges::any_of(lease.addresses, [&](const Prefix& address) {
            return std::ranges::find(port.address, address) != port.address.end();
        });
        if (lease.pool == port.bridge && is_ports) pools_.release(lease.owner);
    }
}

json Runtime::port_del(const json& params) {
    const std::string name = name_of(params);
    const auto found = find_port(state_.ports, name);
    if (found == state_.ports.end()) {
        if (has_name(node_.config().ports, name)) {
            throw std::runtime_error(
                fmt::format("port {} is in the configuration: remove it there, and weft apply", name));
        }
        return {{"removed", false}};
    }
    if (has_name(node_.config().ports, name)) node_.remove_port(name);
    release_leases(found->port);
    state_.ports.erase(found);
    changed();
    save();
    return {{"removed", true}};
}

json Runtime::bridge_add(const json& params) {
    const RuntimeBridge wanted = bridge_from_json(params);
    const auto found = find_bridge(state_.bridges, wanted.bridge.name);
    const json answer{{"name", wanted.bridge.name}};
    if (found != state_.bridges.end() && *found == wanted) return answer;
    const config::Config& config = node_.config();
    if (has_name(config.bridges, wanted.bridge.name))
        throw std::runtime_error(
            fmt::format("there is another bridge {}: choose another name", wanted.bridge.name));
    const auto same_vni = std::ranges::find_if(config.bridges, [&](const config::Bridge& other) {
        return other.vni && other.vni == wanted.bridge.vni;
    });
    if (same_vni != config.bridges.end())
        throw std::runtime_error(fmt::format("bridge {} has this VNI: choose another one", same_vni->name));
    if (wanted.bridge.masquerade && config::find_outside(config) == nullptr) {
        throw std::runtime_error(
            "there is no tun port to the host, by which bridges reach the outside: add one to the "
            "configuration "
            "(type = \"tun\", without netns), with default routes to it, or a bridge with masquerade = true");
    }
    node_.add_bridge(wanted.bridge);
    state_.bridges.push_back(wanted);
    changed();
    save();
    return answer;
}

json Runtime::bridge_del(const json& params) {
    const std::string name = name_of(params);
    const auto found = find_bridge(state_.bridges, name);
    const config::Config& config = node_.config();
    if (found == state_.bridges.end()) {
        if (has_name(config.bridges, name)) {
            throw std::runtime_error(
                fmt::format("bridge {} is in the configuration: remove it there, and weft apply", name));
        }
        return {{"removed", false}};
    }
    const auto user =
        std::ranges::find_if(config.ports, [&](const config::Port& port) { return port.bridge == name; });
    if (user != config.ports.end())
        throw std::runtime_error(
            fmt::format("port {} is on bridge {}: weft port del {}", user->name, name, user->name));
    node_.remove_bridge(name);
    state_.bridges.erase(found);
    changed();
    save();
    return {{"removed", true}};
}

json Runtime::runtime_ports() const {
    json list = json::array();
    for (const RuntimePort& entry : state_.ports) {
        if (!has_name(node_.config().ports, entry.port.name)) continue;
        json described = describe(entry);
        described["netns"] = entry.port.netns.value_or("");
        described["labels"] = entry.labels;
        list.push_back(std::move(described));
    }
    return {{"ports", std::move(list)}};
}

json Runtime::ipam_allocate(const json& params) {
    json answer = weft::ipam_allocate(pools_, params);
    save();
    return answer;
}

json Runtime::ipam_release(const json& params) {
    json answer = weft::ipam_release(pools_, params);
    if (answer.at("released").get<bool>()) save();
    return answer;
}

json Runtime::ipam() const {
    return weft::ipam(pools_);
}

}  // namespace weft
