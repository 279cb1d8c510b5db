// The daemon's part of a planned restart (handover.h): what it leaves, and how its objects take what was
// left.
#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <fcntl.h>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/daemon.h"

namespace weft {

namespace {

Descriptor copy(int descriptor) {
    return Descriptor{::fcntl(descriptor, F_DUPFD_CLOEXEC, 0)};
}

}  // namespace

// ---- Taking ---------------------------------------------------------------------------------------

void Daemon::open_underlay(const UnderlayOptions& options) {
    if (auto parts = inherited_.underlay(options, workers_->count())) {
        try {
            return workers_->adopt_underlay(options, *parts);
        } catch (const std::runtime_error& error) {
            spdlog::warn("{}: they are made anew", error.what());
        }
    }
    workers_->open_underlay(options);
}

MadePort Daemon::get_port(const config::Port& port, const PortOrder& order) {
    if (auto adopted = adopt_port(port, order)) return std::move(*adopted);
    return keeper_.make(order);
}

std::optional<MadePort> Daemon::adopt_port(const config::Port& port, const PortOrder& order) {
    auto left = inherited_.port(order);
    if (!left) return std::nullopt;
    const HandoverState::Port& was = left->state;
    if (was.is_packet) {
        return MadePort{
            .is_packet = true, .device = order.interface.name, .sockets = std::move(left->queues)};
    }
    try {
        MadePort made = keeper_.adopt({.order = order,
                                       .is_veth = was.is_veth,
                                       .has_hooks = was.has_hooks,
                                       .index = static_cast<int>(was.index)});
        made.tuntap.offloads = was.offloads;
        made.tuntap.queues = std::move(left->queues);
        if (was.order.interface.mtu != order.interface.mtu) {
            keeper_.set_mtu(order.interface.netns, order.interface.name, order.interface.mtu);
            if (was.is_veth) {
                keeper_.set_mtu(std::nullopt, order.host_end, order.interface.mtu);
                keeper_.set_mtu(std::nullopt, order.tap, order.interface.mtu);
            }
        }
        kernel_routes_.adopt(port.name, was.routes);
        std::ranges::move(left->hooks, std::back_inserter(old_hooks_));
        return made;
    } catch (const std::runtime_error& error) {
        spdlog::warn("port {}: {}: made anew", port.name, error.what());
        return std::nullopt;
    }
}

void Daemon::remember_made(const config::Port& port, const PortOrder& order, const MadePort& made) {
    Made& remembered = made_[port.name];
    remembered.port = {.name = port.name,
                       .order = order,
                       .is_packet = made.is_packet,
                       .is_veth = made.is_veth,
                       .has_hooks = made.hooks.has_value(),
                       .offloads = made.tuntap.offloads,
                       .index = static_cast<std::uint32_t>(made.tuntap.index)};
    remembered.hooks.clear();
    if (!made.hooks) return;
    for (const Hook& hook : made.hooks->hooks)
        if (hook.link() >= 0) remembered.hooks.push_back(copy(hook.link()));
}

// A station is where it was, or where it is seen next.
void Daemon::adopt_stations() {
    std::map<std::string, BridgeId> bridges;
    for (const auto& [id, bridge] : names_.bridges) bridges.emplace(bridge.name, id);
    std::map<std::pair<bool, std::string>, PortId> ports;
    for (const auto& [id, port] : names_.ports) {
        if (port.kind != PortInfo::Kind::leg)
            ports.emplace(std::pair{port.kind == PortInfo::Kind::tunnel, port.name}, id);
    }
    std::vector<StationLearned> known;
    for (const HandoverState::Station& station : inherited_.stations()) {
        const auto bridge = bridges.find(station.bridge);
        const auto port = ports.find({station.is_peer, station.port});
        if (bridge == bridges.end() || port == ports.end()) continue;
        known.push_back({.bridge = bridge->second,
                         .vlan = VlanId{station.vlan},
                         .mac = station.mac,
                         .port = port->second});
    }
    workers_->post_all([known](Worker& worker) {
        for (const StationLearned& learned : known) worker.datapath().tell(learned, worker.now());
    });
}

void Daemon::open_up() {
    adopt_stations();
    inherited_.close();
    workers_->begin_reading();
    old_hooks_.clear();
}

// ---- Leaving --------------------------------------------------------------------------------------

void Daemon::hand_over(const Keep& keep) {
    workers_->stop();
    keying_->finish();
    try {
        Legacy legacy;
        describe(legacy);
        if (keep(legacy.seal())) keeper_.leave();
    } catch (const std::runtime_error& error) {
        spdlog::error("nothing is handed over: {}", error.what());
    }
}

void Daemon::hand_over_to_successor() {
    hand_over([this](const Legacy::Named& legacy) {
        keeper_.succeed(legacy);
        return true;
    });
}

// The answer goes out before the loop ends.
nlohmann::json Daemon::upgrade() {
    keeper_.try_successor();
    upgrade_();
    return {{"pid", names_.node.pid}};
}

void Daemon::describe(Legacy& legacy) {
    HandoverState& state = legacy.state();
    state.node = names_.node.name;
    if (config_->node.private_key) state.public_key = config_->node.public_key;
    state.workers = workers_->count();
    state.device = names_.node.device;
    state.esp = names_.node.esp;
    state.vxlan = names_.node.vxlan;
    for (unsigned i = 0; i < workers_->count(); ++i) {
        for (const UnderlayPart& part : workers_->stopped(i).underlay_parts()) {
            state.sockets.push_back(
                {.worker = static_cast<std::uint8_t>(i), .part = part, .descriptor = legacy.add(part.fd)});
        }
    }
    describe_ports(legacy);
    describe_peers(state);
    describe_stations(state);
}

void Daemon::describe_ports(Legacy& legacy) {
    for (const auto& [name, made] : made_) {
        HandoverState::Port port = made.port;
        const PortId id = device_id(name);
        for (unsigned i = 0; i < workers_->count(); ++i) {
            const int queue = workers_->stopped(i).device_queue(id);
            if (queue >= 0) port.queues.push_back(legacy.add(queue));
        }
        for (const Descriptor& hook : made.hooks) port.hooks.push_back(legacy.add(hook.get()));
        if (const auto mtu = names_.ports.at(id).mtu) port.order.interface.mtu = *mtu;
        port.routes = kernel_routes_.installed(name);
        legacy.state().ports.push_back(std::move(port));
    }
}

void Daemon::describe_peers(HandoverState& state) {
    for (const config::Peer& peer : config_->peers) {
        auto left = keying_->leave(peer_id(peer.name));
        if (!left) continue;
        left->name = peer.name;
        left->public_key = peer.public_key;
        if (peer.preshared_key) left->preshared_key = peer.preshared_key->clone();
        state.peers.push_back(std::move(*left));
    }
}

void Daemon::describe_stations(HandoverState& state) {
    constexpr std::size_t most = 65536;
    std::set<std::tuple<BridgeId, VlanId, MacAddress>> told;
    for (unsigned i = 0; i < workers_->count(); ++i) {
        for (const StationSnapshot& station :
             workers_->stopped(i).datapath().snapshot(loop_.now()).stations) {
            const auto port = names_.ports.find(station.entry.port);
            const auto bridge = names_.bridges.find(station.bridge);
            if (port == names_.ports.end() || bridge == names_.bridges.end() || told.size() == most ||
                port->second.kind == PortInfo::Kind::leg ||
                !told.emplace(station.bridge, station.entry.vlan, station.entry.mac).second)
                continue;
            state.stations.push_back({.bridge = bridge->second.name,
                                      .vlan = station.entry.vlan.value(),
                                      .mac = station.entry.mac,
                                      .is_peer = port->second.kind == PortInfo::Kind::tunnel,
                                      .port = port->second.name});
        }
    }
}

}  // namespace weft
