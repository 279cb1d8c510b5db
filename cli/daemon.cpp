#include "cli/daemon.h"

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <variant>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/derived.h"
#include "cli/paths.h"
#include "cli/rekey.h"
#include "overlay/worker_pairing.h"
#include "vswitch/device/packet_socket.h"
#include "vswitch/device/tuntap.h"

namespace weft {

namespace {

constexpr std::size_t pool_packets = 1024;
constexpr std::size_t events_per_wakeup = 64;

static_assert(config::Node::max_workers == max_workers);

VlanFilter filter_of(const config::Port& port) {
    if (port.vlan) return VlanFilter::access(*port.vlan);
    if (!port.trunk.empty()) return VlanFilter::trunk(port.trunk);
    return VlanFilter::all();
}

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

bool is_plain(const config::Peer& peer) {
    return peer.encryption == config::Peer::Encryption::none;
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

// {"limit": N}
std::size_t wanted_flows(const nlohmann::json& params) {
    constexpr std::size_t by_default = 50;
    constexpr std::size_t most = 10'000;
    if (!params.is_object() || !params.contains("limit")) return by_default;
    const auto& limit = params.at("limit");
    if (!limit.is_number_unsigned() || limit.get<std::size_t>() > most)
        throw InvalidParams(fmt::format("'limit' is a number of flows, {} at most", most));
    return limit.get<std::size_t>();
}

}  // namespace

Daemon::Daemon(Loop& loop)
    : loop_(loop),
      started_(loop.now()),
      events_waiting_(loop, [this] { handle_events(); }),
      denied_([this](DeniedSources::Change change, const Prefix& prefix) {
          const bool adds = change == DeniedSources::Change::add;
          workers_->post_all([adds, prefix](Worker& worker) {
              DenyList& list = worker.datapath().denied();
              adds ? list.add(prefix) : list.remove(prefix);
          });
          guard_.change(change, prefix);
      }) {}

Daemon::~Daemon() {
    if (!workers_) return;
    workers_->stop();
    if (keying_) keying_->finish();
}

void Daemon::apply(std::unique_ptr<const config::Config> next) {
    path_ = find_path_mtu(*next);
    target_ = next.get();
    const bool starts = !config_;
    if (starts) start(*next);
    for (const config::Change& step : config::diff(config_.get(), next.get())) {
        spdlog::debug("{}", config::to_string(step));
        std::visit([this](const auto& what) { change(what); }, step);
    }
    kernel_routes_.sync(*next);
    if (starts) offloading_.start(*workers_);
    if (starts && tunnel_routes_) tunnel_routes_->start();
    config_ = std::move(next);
    target_ = nullptr;
}

// ---- Changes -------------------------------------------------------------------------------------

void Daemon::start(const config::Config& config) {
    const config::Node& node = config.node;
    names_.node.name = node.name;
    names_.node.pid = ::getpid();
    const unsigned count = node.workers == config::Node::automatic ? automatic_workers() : node.workers;
    names_.node.workers = count;
    if (node.private_key) names_.node.public_key = node.public_key;
    serve(node.control);
    workers_ = std::make_unique<Workers>(count, pool_packets, config.fast_path.max_flows,
                                         [this] { events_waiting_.send(); });
    keying_ =
        std::make_unique<Keying>(loop_, *workers_, config, monitor_,
                                 [this](PeerId id, const Endpoint& endpoint) { located(id, endpoint); });
    if (node.keylog) {
        names_.node.warnings.push_back(
            fmt::format("keylog is on: whoever reads {} can read all traffic", *node.keylog));
    }

    const config::Underlay& underlay = config.underlay;
    const bool any_plain = std::ranges::any_of(config.peers, is_plain);
    const auto vxlan = any_plain ? std::optional{underlay.vxlan} : std::nullopt;
    guard_.open(config, vxlan ? std::vector{underlay.esp, *vxlan} : std::vector{underlay.esp});
    deny(config);
    names_.node.esp = underlay.esp;
    names_.node.vxlan = vxlan;
    names_.node.device = underlay.device;
    workers_->open_underlay({underlay.device, underlay.esp, vxlan});
    tune(config.tuning);
    offloading_.open(config.fast_path, count, vxlan ? vxlan->port : std::uint16_t{0});
    if (vxlan && offloading_.path() != nullptr) {
        tunnel_routes_ = std::make_unique<TunnelRoutes>(loop_, *workers_, vxlan->address);
        for (const Uplink& uplink : find_uplinks(config)) offloading_.add_uplink(uplink);
        guard_.go_on_to(offloading_.path()->unwrapping_program());
    }
    names_.node.fast_path = offloading_.mode();
    names_.node.why_no_fast_path = offloading_.why_not();
}

void Daemon::tune(const config::Tuning& tuning) {
    const OffloadSwitches switches{.tun_gso = tuning.tun_gso,
                                   .tun_gro = tuning.tun_gro,
                                   .udp_gso = tuning.udp_gso,
                                   .udp_gro = tuning.udp_gro};
    workers_->post_all([switches, busy_poll = tuning.busy_poll](Worker& worker) {
        worker.use_offload(switches);
        worker.busy_poll(busy_poll);
    });
}

void Daemon::deny(const config::Config& config) {
    for (const Prefix& prefix : config.underlay.deny) {
        denied_.add(prefix);
        for (const std::string& peer : peers_within(prefix, config.peers)) {
            spdlog::warn("[underlay] deny has {}, and peer {} in it: nothing is received from there",
                         prefix.to_string(), peer);
        }
    }
}

void Daemon::change(const config::ReplaceNode&) {
    throw std::runtime_error("[node] cannot be changed while the daemon runs: restart it");
}

void Daemon::change(const config::ReplaceUnderlay&) {
    throw std::runtime_error("[underlay] cannot be changed while the daemon runs: restart it");
}

void Daemon::change(const config::ReplaceTuning& replace) {
    tune(*replace.to);
}

void Daemon::change(const config::ReplaceFastPath&) {
    throw std::runtime_error("[fastpath] cannot be changed while the daemon runs: restart it");
}

void Daemon::change(const config::AddBridge& add) {
    const config::Bridge& bridge = *add.bridge;
    const BridgeId id{next_bridge_++};
    names_.bridges[id] = {bridge.name, bridge.vni};
    const BridgeOptions options{.vni = bridge.vni,
                                .limits = {.entries = bridge.max_stations,
                                           .entries_per_port = bridge.max_stations_per_port,
                                           .aging = bridge.aging}};
    workers_->post_all(
        [id, options](Worker& worker) { worker.datapath().topology().add_bridge(id, options); });
    if (!bridge.gateway.empty()) add_leg(bridge, id);
}

void Daemon::add_leg(const config::Bridge& bridge, BridgeId id) {
    const LegOptions options{
        .mac = bridge.gateway_mac.value_or(derived_mac(names_.node.name, "bridge " + bridge.name)),
        .addresses = bridge.gateway,
        .mtu = bridge_mtu(*target_, bridge, path_)};
    const PortId port = new_port({.name = bridge.name,
                                  .kind = PortInfo::Kind::leg,
                                  .bridge = bridge.name,
                                  .mtu = options.mtu,
                                  .mac = options.mac,
                                  .addresses = bridge.gateway});
    workers_->post_all(
        [port, id, options](Worker& worker) { worker.datapath().topology().add_leg(port, id, options); });
}

void Daemon::change(const config::RemoveBridge& remove) {
    const BridgeId id = bridge_id(remove.bridge->name);
    if (!remove.bridge->gateway.empty()) {
        const PortId leg = port_id(PortInfo::Kind::leg, remove.bridge->name);
        workers_->post_all([leg](Worker& worker) { worker.datapath().remove_port(leg); });
        names_.ports.erase(leg);
    }
    workers_->post_all([id](Worker& worker) { worker.datapath().topology().remove_bridge(id); });
    names_.bridges.erase(id);
}

void Daemon::change(const config::AddPeer& add) {
    const config::Peer& peer = *add.peer;
    const PeerId id{next_peer_++};
    const PortId port = new_port(
        {.name = peer.name, .kind = PortInfo::Kind::tunnel, .peer = peer.name, .mtu = path_.routed()});
    PeerInfo& info = names_.peers[id];
    info.name = peer.name;
    info.bridges = peer.bridges;
    info.prefixes = peer.prefixes;
    info.protection = peer.manual      ? PeerInfo::Protection::manual
                      : is_plain(peer) ? PeerInfo::Protection::none
                                       : PeerInfo::Protection::esp;
    if (info.protection == PeerInfo::Protection::esp) info.public_key = peer.public_key;

    PeerOptions options{.encrypted = !is_plain(peer),
                        .prefixes = peer.prefixes,
                        .routed_mtu = path_.routed(),
                        .path_mtu = is_plain(peer) ? std::nullopt : std::optional{path_.underlay},
                        .probes_path = info.protection == PeerInfo::Protection::esp,
                        .liveness = {.keepalive = peer.keepalive, .ask_after = peer.dead_peer_detection},
                        .replay_window = peer.replay_window};
    for (const std::string& bridge : peer.bridges) options.bridges.push_back(bridge_id(bridge));
    for (unsigned i = 0; i < workers_->count(); ++i) {
        if (i > 0) options.liveness = {};  // the first worker's keepalives and questions are enough
        workers_->post(i, [id, port, options](Worker& worker) {
            worker.datapath().topology().add_peer(id, port, options);
        });
    }
    keying_->add(id, peer);
}

void Daemon::change(const config::RemovePeer& remove) {
    const PeerId id = peer_id(remove.peer->name);
    keying_->remove(id);
    const PortId tunnel = port_id(PortInfo::Kind::tunnel, remove.peer->name);
    if (tunnel_routes_) tunnel_routes_->forget(tunnel);
    workers_->post_all([id, tunnel](Worker& worker) {
        worker.datapath().topology().remove_peer(id);
        worker.forget_tunnel(tunnel);
    });
    names_.ports.erase(tunnel);
    names_.peers.erase(id);
}

void Daemon::change(const config::AddPort& add) {
    const config::Port& port = *add.port;
    std::uint16_t mtu = port.mtu.value_or(0);
    if (!port.mtu && port.bridge) {
        const auto bridge = std::ranges::find(target_->bridges, *port.bridge, &config::Bridge::name);
        mtu = bridge_mtu(*target_, *bridge, path_);
    } else if (!port.mtu) {
        mtu = tun_mtu(*target_, path_);
    }
    std::optional<MacAddress> mac;
    const bool is_veth = port.type == config::Port::Type::veth;
    if (port.type == config::Port::Type::tap || is_veth)
        mac = port.mac.value_or(derived_mac(names_.node.name, "port " + port.name));
    auto queues = open_device(PortId{next_port_}, port, mtu, mac);
    const bool is_packet = port.type == config::Port::Type::packet;
    const PortId id = new_port({.name = port.name,
                                .kind = kind_of(port.type),
                                .bridge = port.bridge,
                                .device = is_veth ? port.device : queues[0]->name(),
                                .netns = port.netns,
                                .mtu = is_packet ? std::nullopt : std::optional{mtu},
                                .mac = mac,
                                .vlan = port.vlan,
                                .trunk = port.trunk,
                                .addresses = port.address});
    const bool is_tuntap = port.type == config::Port::Type::tap || port.type == config::Port::Type::tun;
    if (is_tuntap && !port.netns) offloading_.add_device(id, port.name, queues[0]->name());
    if (!port.fast_path) offloading_.exclude(id);
    if (port.bridge) {
        workers_->post_all([id, bridge = bridge_id(*port.bridge), filter = filter_of(port)](Worker& worker) {
            worker.datapath().topology().add_frame_device(id, bridge, filter);
        });
    } else {
        workers_->post_all([id, addresses = port.address, mtu](Worker& worker) {
            worker.datapath().topology().add_datagram_device(id, addresses, mtu);
        });
    }
    for (unsigned i = 0; i < workers_->count(); ++i) {
        workers_->post(i, [id, queue = std::move(queues[i])](Worker& worker) mutable {
            worker.attach(id, std::move(queue));
        });
    }
}

std::vector<std::unique_ptr<Device>> Daemon::open_device(PortId id, const config::Port& port,
                                                         std::uint16_t mtu,
                                                         const std::optional<MacAddress>& mac) {
    if (port.type == config::Port::Type::veth) {
        const VethPorts::Wanted wanted{.node = names_.node.name,
                                       .id = id,
                                       .port = port,
                                       .mtu = mtu,
                                       .mac = mac.value(),
                                       .queues = workers_->count()};
        return veths_.open(wanted, offloading_);
    }
    if (port.type == config::Port::Type::packet)
        return open_packet_queues(port.device, port.netns, workers_->count());
    const bool is_tap = port.type == config::Port::Type::tap;
    return open_tuntap_queues({.layer = is_tap ? TunTapOptions::Layer::tap : TunTapOptions::Layer::tun,
                               .name = port.device,
                               .netns = port.netns,
                               .mtu = mtu,
                               .mac = mac,
                               .addresses = port.address,
                               .txqueuelen = port.txqueuelen},
                              workers_->count());
}

void Daemon::change(const config::RemovePort& remove) {
    const auto found = std::ranges::find_if(names_.ports, [&](const auto& entry) {
        return is_device(entry.second.kind) && entry.second.name == remove.port->name;
    });
    workers_->post_all([id = found->first](Worker& worker) {
        worker.detach(id);
        worker.datapath().remove_port(id);
    });
    names_.ports.erase(found);
    veths_.close(*remove.port);
    kernel_routes_.forget(*remove.port);
}

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

PortId Daemon::new_port(PortInfo info) {
    const PortId id{next_port_++};
    names_.ports[id] = std::move(info);
    return id;
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

// ---- The workers' events, and the control socket -------------------------------------------------

// Whoever floods the node with control datagrams must not keep the loop from its timers, signals and clients.
void Daemon::handle_events() {
    for (std::size_t handled = 0; workers_ != nullptr; ++handled) {
        if (handled == events_per_wakeup) return events_waiting_.send();
        auto emitted = workers_->next_event();
        if (!emitted) return;
        handle(emitted->worker, std::move(emitted->event));
    }
}

void Daemon::handle(unsigned worker, WorkerEvent event) {
    if (const auto* control = std::get_if<ControlReceived>(&event)) keying_->receive(*control);
    if (const auto* report = std::get_if<PeerReport>(&event)) keying_->report(worker, *report);
    if (const auto* moved = std::get_if<PeerMoved>(&event)) {
        keying_->moved(*moved);
        workers_->relay(worker, *moved);
    }
    if (const auto* confirmed = std::get_if<SessionConfirmed>(&event)) workers_->relay(worker, *confirmed);
    if (const auto* changed = std::get_if<PathMtuChanged>(&event)) keying_->path_changed(*changed);
    if (const auto* station = std::get_if<StationLearned>(&event)) workers_->relay(worker, *station);
    if (const auto* neighbor = std::get_if<NeighborLearned>(&event)) workers_->relay(worker, *neighbor);
    if (const auto* answered = std::get_if<ProbeAnswered>(&event)) workers_->relay(worker, *answered);
    if (const auto* port = std::get_if<PortLost>(&event)) lost(port->port);
    if (const auto* flow = std::get_if<FlowDiffered>(&event)) differed(*flow);
    if (auto* taken = std::get_if<SnapshotTaken>(&event)) complete(worker, std::move(*taken));
}

void Daemon::located(PeerId peer, const Endpoint& endpoint) {
    if (tunnel_routes_)
        tunnel_routes_->located(port_id(PortInfo::Kind::tunnel, names_.peers[peer].name), endpoint);
}

// Each worker that had a queue of the device says so.
void Daemon::lost(PortId port) {
    const auto found = names_.ports.find(port);
    if (found == names_.ports.end()) return;
    auto warning = fmt::format("port {} has lost its device", found->second.name);
    auto& warnings = names_.node.warnings;
    if (std::ranges::find(warnings, warning) != warnings.end()) return;
    warnings.push_back(std::move(warning));
    monitor_.publish(event::PortLost{found->second.name});
}

void Daemon::differed(const FlowDiffered& flow) {
    const auto name = [this](PortId port) {
        const auto found = names_.ports.find(port);
        return found == names_.ports.end() ? std::optional<std::string>{} : found->second.name;
    };
    monitor_.publish(event::FlowDiffered{name(flow.in).value_or("?"), name(flow.out)});
}

void Daemon::serve(const std::string& path) {
    control_ = std::make_unique<ControlServer>(loop_, path);
    answer("status", &report_status);
    answer("ports", &report_ports);
    answer("fdb", &report_fdb);
    answer("routes", &report_routes);
    answer("peers", &report_peers);
    answer("drops", &report_drops);
    control_->add_method("flows", [this](const nlohmann::json& params, const Reply& reply) {
        ask_workers(&report_flows, reply, wanted_flows(params));
    });
    control_->add_method("rekey", [this](const nlohmann::json& params, const Reply& reply) {
        reply.result(rekey(*keying_, names_, params));
    });
    answer("deny", &report_denied);
    control_->add_method("deny_add", [this](const nlohmann::json& params, const Reply& reply) {
        reply.result(deny_add(denied_, config_->peers, params));
    });
    control_->add_method("deny_del", [this](const nlohmann::json& params, const Reply& reply) {
        reply.result(deny_del(denied_, params));
    });
    control_->add_method("monitor", [this](const nlohmann::json&, const Reply& reply) {
        reply.result(nlohmann::json::object());
        monitor_.subscribe(reply.client(), {.node = names_.node.name});
    });
}

// Half of every answer is the workers': the request waits for their snapshots.
void Daemon::ask_workers(Report report, const Reply& reply, std::size_t flows) {
    const std::uint64_t request = next_request_++;
    Request& waiting = requests_[request];
    waiting.answer = [this, report, reply](const Snapshot& snapshot) {
        reply.result(report(snapshot, current_names()));
    };
    waiting.parts.resize(workers_->count());
    workers_->post_all([request, flows](Worker& worker) {
        worker.emit(SnapshotTaken{request, std::make_unique<Snapshot>(worker.snapshot(flows))});
    });
}

void Daemon::answer(const std::string& method, Report report) {
    control_->add_method(
        method, [this, report](const nlohmann::json&, const Reply& reply) { ask_workers(report, reply); });
}

void Daemon::complete(unsigned worker, SnapshotTaken taken) {
    const auto found = requests_.find(taken.request);
    if (found == requests_.end()) return;
    Request& request = found->second;
    request.parts[worker] = std::move(taken.snapshot);
    if (std::ranges::any_of(request.parts, [](const auto& part) { return part == nullptr; })) return;
    Snapshot whole = merge(request.parts);
    guard_.add_to(whole);
    request.answer(whole);
    requests_.erase(found);
}

Names Daemon::current_names() const {
    Names names = names_;
    names.node.uptime = loop_.now() - started_;
    names.node.uplinks = guard_.report();
    for (auto& [id, peer] : names.peers) {
        peer.silent = keying_->silent(id);
        const auto status = keying_->status(id);
        if (!status) continue;
        if (status->last_handshake) peer.last_handshake = loop_.now() - *status->last_handshake;
        peer.handshaking = status->in_progress;
        peer.handshakes = status->completed;
    }
    return names;
}

}  // namespace weft
