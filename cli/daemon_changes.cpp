// From one configuration to the next, one change at a time: what each of them does to workers, keys and
// devices, and how all are taken back if one cannot be had.
#include <algorithm>
#include <span>
#include <stdexcept>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "cli/daemon.h"
#include "cli/datapath_options.h"
#include "cli/derived.h"
#include "cli/masquerade.h"
#include "cli/paths.h"
#include "config/diff.h"

namespace weft {

namespace {

using config::Change;

PortInfo::Kind kind_of(config::Port::Type type) {
    switch (type) {
        case config::Port::Type::tap:
            return PortInfo::Kind::tap;
        case config::Port::Type::tun:
            return PortInfo::Kind::tun;
        case config::Port::Type::veth:
            return PortInfo::Kind::veth;
        case config::Port::Type::packet:
            return PortInfo::Kind::packet;
    }
    std::abort();
}

// Ids are found by name, and a device and a peer may share theirs.
bool is_device(PortInfo::Kind kind) {
    return kind != PortInfo::Kind::tunnel && kind != PortInfo::Kind::leg;
}

template <class Id, class Info>
Id find_by_name(const std::map<Id, Info>& infos, const std::string& name) {
    const auto found =
        std::ranges::find_if(infos, [&](const auto& entry) { return entry.second.name == name; });
    if (found == infos.end()) throw std::logic_error("no object of the name " + name);
    return found->first;
}

// After the last one that was given, so that an id that has just become free rests, but among few: tables are
// as long as the largest.
template <class Id, class Info>
Id free_id(const std::map<Id, Info>& taken, std::uint16_t& next) {
    constexpr std::size_t rest = 64;
    do {
        if (next >= 2 * taken.size() + rest) next = 0;
    } while (taken.contains(Id{next++}));
    return Id{static_cast<std::uint16_t>(next - 1)};
}

[[noreturn]] void throw_restart(std::string_view what) {
    throw std::runtime_error(fmt::format("{} cannot be changed while weftd runs: restart it", what));
}

}  // namespace

// ---- The whole ------------------------------------------------------------------------------------

void Daemon::check_changes(const config::Config& next, const std::vector<Change>& changes) const {
    for (const Change& change : changes) {
        if (std::holds_alternative<config::ReplaceNode>(change)) throw_restart("[node]");
        if (std::holds_alternative<config::ReplaceUnderlay>(change))
            throw_restart("[underlay], but for deny,");
        if (std::holds_alternative<config::ReplaceFastPath>(change)) throw_restart("[fastpath]");
    }
    for (const config::Peer& peer : next.peers) {
        if (peer.is_plain() && !names_.node.vxlan)
            throw_restart("that no peer is plain (encryption = \"none\")");
        if (peer.manual && !confined_.writes_files) throw_restart("that no peer has manual keys");
        const bool has_name = peer.endpoint_host && !IpAddress::parse(*peer.endpoint_host);
        if (has_name && !confined_.resolves_names) throw_restart("that all endpoints are addresses");
    }
}

std::vector<std::string> Daemon::plan(config::Config& next) const {
    runtime_.complete(next);
    const auto changes = config::diff(config_.get(), &next);
    check_changes(next, changes);
    std::vector<std::string> words;
    words.reserve(changes.size());
    for (const Change& change : changes) words.push_back(config::to_string(change));
    return words;
}

std::size_t Daemon::apply(std::unique_ptr<config::Config> next) {
    const auto changes = config::diff(config_.get(), next.get());
    check_changes(*next, changes);
    target_ = next.get();
    std::size_t done = 0;
    try {
        for (; done < changes.size(); ++done) carry_out(changes[done]);
        sync_routes(*next);
        masquerade(*next);
        follow_mtus();
    } catch (const std::exception& error) {
        take_back(std::span{changes}.first(done));
        throw std::runtime_error(fmt::format("nothing was changed: {}", error.what()));
    }
    config_ = std::move(next);
    target_ = nullptr;
    runtime_.changed();
    return changes.size();
}

// One object, of a configuration that stays.
template <class Add>
void Daemon::carry_out_alone(const Add& add) {
    target_ = config_.get();
    try {
        change(add);
    } catch (...) {
        target_ = nullptr;
        throw;
    }
    target_ = nullptr;
}

void Daemon::add_port(const config::Port& port) {
    carry_out_alone(config::AddPort{&port});
    config_->ports.push_back(port);
}

void Daemon::remove_port(const std::string& name) {
    const auto found = std::ranges::find(config_->ports, name, &config::Port::name);
    carry_out_alone(config::RemovePort{&*found});
    config_->ports.erase(found);
}

void Daemon::add_bridge(const config::Bridge& bridge) {
    carry_out_alone(config::AddBridge{&bridge});
    config_->bridges.push_back(bridge);
    masquerade(*config_);
}

void Daemon::remove_bridge(const std::string& name) {
    const auto found = std::ranges::find(config_->bridges, name, &config::Bridge::name);
    carry_out_alone(config::RemoveBridge{&*found});
    config_->bridges.erase(found);
    masquerade(*config_);
}

void Daemon::carry_out(const Change& change) {
    spdlog::debug("{}", config::to_string(change));
    std::visit([this](const auto& what) { this->change(what); }, change);
}

// It is what was there before, and can be had again, but for what others have taken meanwhile.
void Daemon::take_back(std::span<const Change> done) {
    target_ = config_.get();
    for (const Change& change : config::inverse(done)) {
        try {
            carry_out(change);
        } catch (const std::exception& error) {
            spdlog::error("going back, cannot {}: {}", config::to_string(change), error.what());
        }
    }
    sync_routes(*config_);
    masquerade(*config_);
    follow_mtus();
    target_ = nullptr;
}

void Daemon::sync_routes(const config::Config& config) {
    kernel_routes_.sync(config, [this](const Keeper::Routes& routes) { return keeper_.route(routes); });
}

void Daemon::masquerade(const config::Config& config) {
    for (std::string& warning : keeper_.masquerade(nat_rules(config))) {
        auto& told = names_.node.warnings;
        if (std::ranges::find(told, warning) != told.end()) continue;
        spdlog::warn("{}", warning);
        told.push_back(std::move(warning));
    }
}

// A bridge's MTU is that of its narrowest tunnel: ports that stay follow it.
void Daemon::follow_mtus() {
    for (const config::Bridge& bridge : target_->bridges) {
        if (bridge.gateway.empty()) continue;
        const PortId leg = port_id(PortInfo::Kind::leg, bridge.name);
        const std::uint16_t mtu = bridge_mtu(*target_, bridge, path_);
        if (names_.ports[leg].mtu == mtu) continue;
        names_.ports[leg].mtu = mtu;
        workers_->post_all([leg, mtu](Worker& worker) { worker.datapath().topology().set_mtu(leg, mtu); });
    }
    for (const config::Port& port : target_->ports) {
        if (port.type == config::Port::Type::packet) continue;
        const PortId id = device_id(port.name);
        const std::uint16_t mtu = device_mtu(*target_, port, path_);
        if (names_.ports[id].mtu == mtu) continue;
        for (const auto& [netns, device] : devices_of(port)) keeper_.set_mtu(netns, device, mtu);
        names_.ports[id].mtu = mtu;
        if (port.type != config::Port::Type::tun) continue;
        workers_->post_all([id, mtu](Worker& worker) { worker.datapath().topology().set_mtu(id, mtu); });
    }
}

// ---- The node -------------------------------------------------------------------------------------

void Daemon::change(const config::ReplaceNode&) {
    throw_restart("[node]");
}

void Daemon::change(const config::ReplaceUnderlay&) {
    throw_restart("[underlay]");
}

void Daemon::change(const config::ReplaceFastPath&) {
    throw_restart("[fastpath]");
}

void Daemon::change(const config::ReplaceTuning& replace) {
    tune(*replace.to);
}

// What a command has denied or allowed since stays as it is.
void Daemon::change(const config::ChangeDenied& change) {
    for (const Prefix& prefix : change.from->deny) {
        if (std::ranges::find(change.to->deny, prefix) == change.to->deny.end()) denied_.remove(prefix);
    }
    for (const Prefix& prefix : change.to->deny) denied_.add(prefix);
}

// ---- Bridges --------------------------------------------------------------------------------------

void Daemon::change(const config::AddBridge& add) {
    const config::Bridge& bridge = *add.bridge;
    const BridgeId id = free_id(names_.bridges, next_bridge_);
    names_.bridges[id] = {bridge.name, bridge.vni};
    const BridgeOptions options = bridge_options(bridge);
    workers_->post_all(
        [id, options](Worker& worker) { worker.datapath().topology().add_bridge(id, options); });
    if (!bridge.gateway.empty()) add_leg(bridge, id);
}

void Daemon::add_leg(const config::Bridge& bridge, BridgeId id) {
    const LegOptions options = leg_options(*target_, bridge, path_);
    const PortId port = new_port({.name = bridge.name,
                                  .kind = PortInfo::Kind::leg,
                                  .bridge = bridge.name,
                                  .mtu = options.mtu,
                                  .mac = options.mac,
                                  .addresses = bridge.gateway});
    workers_->post_all(
        [port, id, options](Worker& worker) { worker.datapath().topology().add_leg(port, id, options); });
}

void Daemon::remove_leg(const config::Bridge& bridge) {
    const PortId leg = port_id(PortInfo::Kind::leg, bridge.name);
    workers_->post_all([leg](Worker& worker) { worker.datapath().remove_port(leg); });
    names_.ports.erase(leg);
}

void Daemon::change(const config::RemoveBridge& remove) {
    const BridgeId id = bridge_id(remove.bridge->name);
    if (!remove.bridge->gateway.empty()) remove_leg(*remove.bridge);
    workers_->post_all([id](Worker& worker) { worker.datapath().topology().remove_bridge(id); });
    names_.bridges.erase(id);
}

void Daemon::change(const config::ChangeBridge& change) {
    const config::Bridge& from = *change.from;
    const config::Bridge& to = *change.to;
    const BridgeId id = bridge_id(to.name);
    names_.bridges[id].vni = to.vni;
    if (from.vni != to.vni || from.aging != to.aging) {
        workers_->post_all([id, vni = to.vni, aging = to.aging](Worker& worker) {
            worker.datapath().topology().change_bridge(id, vni, aging);
        });
    }
    if (from.gateway == to.gateway && from.gateway_mac == to.gateway_mac) return;
    if (!from.gateway.empty()) remove_leg(from);
    if (!to.gateway.empty()) add_leg(to, id);
}

// ---- Peers ----------------------------------------------------------------------------------------

void Daemon::change(const config::AddPeer& add) {
    const config::Peer& peer = *add.peer;
    const PeerId id = free_id(names_.peers, next_peer_);
    const PortId port = new_port(
        {.name = peer.name, .kind = PortInfo::Kind::tunnel, .peer = peer.name, .mtu = path_.routed()});
    PeerInfo& info = names_.peers[id];
    info.name = peer.name;
    info.bridges = peer.bridges;
    info.prefixes = peer.prefixes;
    info.protection = peer.manual       ? PeerInfo::Protection::manual
                      : peer.is_plain() ? PeerInfo::Protection::none
                                        : PeerInfo::Protection::esp;
    if (info.protection == PeerInfo::Protection::esp) info.public_key = peer.public_key;

    PeerOptions options = peer_options(peer, path_);
    for (const std::string& bridge : peer.bridges) options.bridges.push_back(bridge_id(bridge));
    for (unsigned i = 0; i < workers_->count(); ++i) {
        if (i > 0) options.liveness = {};  // the first worker's keepalives and questions are enough
        workers_->post(i, [id, port, options](Worker& worker) {
            worker.datapath().topology().add_peer(id, port, options);
        });
    }
    keying_->add(id, peer, inherited_.peer(peer, workers_->count(), loop_.now()));
}

void Daemon::change(const config::RemovePeer& remove) {
    const PeerId id = peer_id(remove.peer->name);
    keying_->remove(id);
    const PortId tunnel = port_id(PortInfo::Kind::tunnel, remove.peer->name);
    if (tunnel_routes_) tunnel_routes_->forget(tunnel);
    offloading_.remove(tunnel);
    workers_->post_all([id](Worker& worker) { worker.datapath().topology().remove_peer(id); });
    names_.ports.erase(tunnel);
    names_.peers.erase(id);
}

Topology::Reach Daemon::reach_of(const config::Peer& peer) const {
    Topology::Reach reach{.bridges = {}, .prefixes = peer.prefixes};
    for (const std::string& bridge : peer.bridges) {
        const auto found = std::ranges::find_if(
            names_.bridges, [&](const auto& entry) { return entry.second.name == bridge; });
        if (found != names_.bridges.end()) reach.bridges.push_back(found->first);  // or it is gone
    }
    return reach;
}

void Daemon::change(const config::ChangePeer& change) {
    const PeerId id = peer_id(change.to->name);
    names_.peers[id].bridges = change.to->bridges;
    names_.peers[id].prefixes = change.to->prefixes;
    workers_->post_all([id, from = reach_of(*change.from), to = reach_of(*change.to)](Worker& worker) {
        worker.datapath().topology().change_peer(id, from, to);
    });
}

// ---- Ports ----------------------------------------------------------------------------------------

// With the namespaces that they are in.
std::vector<std::pair<std::optional<std::string>, std::string>> Daemon::devices_of(
    const config::Port& port) const {
    std::vector<std::pair<std::optional<std::string>, std::string>> devices{{port.netns, port.device}};
    if (!veths_.contains(port.name)) return devices;
    const PortOrder order = order_of(port);
    devices.emplace_back(std::nullopt, order.host_end);
    devices.emplace_back(std::nullopt, order.tap);
    return devices;
}

PortOrder Daemon::order_of(const config::Port& port) const {
    const std::string object = "port " + port.name;
    PortOrder order{.type = port.type,
                    .interface = {.name = port.device,
                                  .netns = port.netns,
                                  .mtu = device_mtu(*target_, port, path_),
                                  .mac = device_mac(*target_, port),
                                  .addresses = port.address,
                                  .txqueuelen = port.txqueuelen},
                    .queues = workers_->count(),
                    .host_end = derived_device(host_end_prefix, names_.node.name, object),
                    .tap = derived_device("weftt", names_.node.name, object),
                    .alias = fmt::format("weft {} {}", names_.node.name, object),
                    .patch_by_tc = port.patch == config::Port::Patch::tc,
                    .keep = port.keep,
                    .merges = names_.node.vxlan.has_value() && !guard_.unwraps(),
                    .no_fast_path = offloading_.why_not()};
    return order;
}

void Daemon::change(const config::AddPort& add) {
    const config::Port& port = *add.port;
    const PortOrder order = order_of(port);
    MadePort made = get_port(port, order);
    remember_made(port, order, made);
    if (!made.note.empty()) spdlog::info("port {}: {}", port.name, made.note);
    const PortId id = new_port({.name = port.name,
                                .kind = kind_of(port.type),
                                .bridge = port.bridge,
                                .device = made.device,
                                .netns = port.netns,
                                .mtu = made.is_packet ? std::nullopt : std::optional{order.interface.mtu},
                                .mac = order.interface.mac,
                                .vlan = port.vlan,
                                .trunk = port.trunk,
                                .addresses = port.address,
                                .spoof_check = port.spoof_check,
                                .isolated = port.isolated,
                                .link = port.impair});
    if (made.is_veth) veths_.insert(port.name);
    if (made.hooks) offloading_.add(id, port.name, std::move(*made.hooks));
    if (!port.fast_path) offloading_.set_enabled(id, false);
    if (port.impair) offloading_.set_impaired(id, true);
    if (port.bridge) {
        workers_->post_all([id, bridge = bridge_id(*port.bridge),
                            options = frame_device_options(port, order.interface.mac)](Worker& worker) {
            worker.datapath().topology().add_frame_device(id, bridge, options);
        });
    } else {
        workers_->post_all([id, addresses = port.address, mtu = order.interface.mtu](Worker& worker) {
            worker.datapath().topology().add_datagram_device(id, addresses, mtu);
        });
    }
    auto queues = use_port(made);
    for (unsigned i = 0; i < workers_->count(); ++i) {
        workers_->post(i, [id, queue = std::move(queues[i]), link = port.impair,
                           name = port.name](Worker& worker) mutable {
            worker.attach(id, std::move(queue));
            worker.impair(id, link, name);
        });
    }
}

// Returns when the device is gone, so that another of its name can be made.
void Daemon::change(const config::RemovePort& remove) {
    const config::Port& port = *remove.port;
    const PortId id = device_id(port.name);
    offloading_.remove(id);
    workers_->run_all([id](Worker& worker) {
        worker.detach(id);
        worker.datapath().remove_port(id);
    });
    made_.erase(port.name);
    if (veths_.erase(port.name) > 0)
        keeper_.remove(derived_device(host_end_prefix, names_.node.name, "port " + port.name));
    names_.ports.erase(id);
    kernel_routes_.forget(port);
}

void Daemon::change(const config::ChangePort& change) {
    const config::Port& to = *change.to;
    const PortId id = device_id(to.name);
    names_.ports[id].vlan = to.vlan;
    names_.ports[id].trunk = to.trunk;
    if (change.from->fast_path != to.fast_path) offloading_.set_enabled(id, to.fast_path);
    if (change.from->impair != to.impair) {
        names_.ports[id].link = to.impair;
        offloading_.set_impaired(id, to.impair.has_value());
        workers_->post_all([id, link = to.impair, name = to.name](Worker& worker) {
            worker.impair(id, link, name);
            worker.datapath().reconsider(id);
        });
    }
    if (change.from->vlan == to.vlan && change.from->trunk == to.trunk) return;
    workers_->post_all([id, filter = vlan_filter(to)](Worker& worker) {
        worker.datapath().topology().change_vlans(id, filter);
    });
}

// ---- Routes ---------------------------------------------------------------------------------------

void Daemon::change(const config::AddRoute& add) {
    const config::Route& route = *add.route;
    Route added{.to = route.to, .out = no_port, .via = route.via, .origin = Route::Origin::configured};
    if (route.peer) added.out = port_id(PortInfo::Kind::tunnel, *route.peer);
    if (route.port) added.out = port_id(PortInfo::Kind::tun, *route.port);
    workers_->post_all([added](Worker& worker) { worker.datapath().topology().add_route(added); });
}

void Daemon::change(const config::RemoveRoute& remove) {
    workers_->post_all(
        [to = remove.route->to](Worker& worker) { worker.datapath().topology().remove_route(to); });
}

// ---- Names ----------------------------------------------------------------------------------------

PortId Daemon::new_port(PortInfo info) {
    const PortId id = free_id(names_.ports, next_port_);
    names_.ports[id] = std::move(info);
    return id;
}

PortId Daemon::device_id(const std::string& name) const {
    const auto found = std::ranges::find_if(names_.ports, [&](const auto& entry) {
        return is_device(entry.second.kind) && entry.second.name == name;
    });
    if (found == names_.ports.end()) throw std::logic_error("no device of the name " + name);
    return found->first;
}

PortId Daemon::port_id(PortInfo::Kind kind, const std::string& name) const {
    const auto found = std::ranges::find_if(names_.ports, [&](const auto& entry) {
        return entry.second.kind == kind && entry.second.name == name;
    });
    if (found == names_.ports.end()) throw std::logic_error("no port of the name " + name);
    return found->first;
}

BridgeId Daemon::bridge_id(const std::string& name) const {
    return find_by_name(names_.bridges, name);
}

PeerId Daemon::peer_id(const std::string& name) const {
    return find_by_name(names_.peers, name);
}

}  // namespace weft
