#include "cli/daemon.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/paths.h"
#include "cli/rekey.h"
#include "overlay/worker_pairing.h"

namespace weft {

namespace {

constexpr std::size_t pool_packets = 1024;
constexpr std::size_t impaired_pool_packets = 16384;  // emulated links keep packets, in half of the pool
constexpr std::size_t events_per_wakeup = 64;

static_assert(config::Node::max_workers == max_workers);

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

Daemon::Daemon(Loop& loop, const std::string& config, const Keeper::Successor& successor,
               std::function<void()> upgrade)
    : loop_(loop),
      keeper_(config, successor),
      upgrade_(std::move(upgrade)),
      started_(loop.now()),
      reconfiguration_(
          loop, config, keeper_,
          {.plan = [this](config::Config& next) { return plan(next); },
           .apply = [this](std::unique_ptr<config::Config> next) { return apply(std::move(next)); },
           .warn = [this](std::string warning) { warn(std::move(warning)); }}),
      runtime_({.add_port = [this](const config::Port& port) { add_port(port); },
                .remove_port = [this](const std::string& name) { remove_port(name); },
                .add_bridge = [this](const config::Bridge& bridge) { add_bridge(bridge); },
                .remove_bridge = [this](const std::string& name) { remove_bridge(name); },
                .config = [this]() -> const config::Config& { return *config_; },
                .port = [this](const std::string& name) { return names_.ports.at(device_id(name)); }}),
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

void Daemon::begin(std::unique_ptr<config::Config> config, Inheritance inherited) {
    inherited_ = std::move(inherited);
    path_ = find_path_mtu(*config);
    start(*config);
    target_ = config.get();
    for (const config::Change& step : config::diff(nullptr, config.get())) carry_out(step);
    sync_routes(*config);
    masquerade(*config);
    offloading_.start(*workers_);
    if (tunnel_routes_) tunnel_routes_->start();
    config_ = std::move(config);
    target_ = nullptr;
}

// ---- Starting ------------------------------------------------------------------------------------

void Daemon::start(const config::Config& config) {
    const config::Node& node = config.node;
    names_.node.name = node.name;
    names_.node.pid = ::getpid();
    const unsigned count = node.workers == config::Node::automatic ? automatic_workers() : node.workers;
    names_.node.workers = count;
    if (node.private_key) names_.node.public_key = node.public_key;
    serve(node.control);
    const bool is_impaired =
        std::ranges::any_of(config.ports, [](const config::Port& port) { return port.impair.has_value(); });
    workers_ = std::make_unique<Workers>(count, is_impaired ? impaired_pool_packets : pool_packets,
                                         config.fast_path.max_flows, [this] { events_waiting_.send(); });
    keying_ =
        std::make_unique<Keying>(loop_, *workers_, config, monitor_,
                                 [this](PeerId id, const Endpoint& endpoint) { located(id, endpoint); });
    if (node.keylog) {
        names_.node.warnings.push_back(
            fmt::format("keylog is on: whoever reads {} can read all traffic", *node.keylog));
    }

    const config::Underlay& underlay = config.underlay;
    const bool any_plain = std::ranges::any_of(config.peers, &config::Peer::is_plain);
    const auto vxlan = any_plain ? std::optional{underlay.vxlan} : std::nullopt;
    guard_.open(config, vxlan ? std::vector{underlay.esp, *vxlan} : std::vector{underlay.esp});
    deny(config);
    names_.node.esp = underlay.esp;
    names_.node.vxlan = vxlan;
    names_.node.device = underlay.device;
    open_underlay({underlay.device, underlay.esp, vxlan});
    tune(config.tuning);
    offloading_.open(config.fast_path, count, vxlan ? vxlan->port : std::uint16_t{0});
    if (offloading_.path() != nullptr) keeper_.use(offloading_.path()->hook_programs());
    if (vxlan && offloading_.path() != nullptr) {
        tunnel_routes_ =
            std::make_unique<TunnelRoutes>(loop_, *workers_, *offloading_.path(), vxlan->address);
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
    control_->add_method("apply", [this](const nlohmann::json& params, const Reply& reply) {
        settle(reply, reconfiguration_.apply(params));
    });
    const auto at_run_time = [this](const char* method, auto work) {
        control_->add_method(method, [this, work](const nlohmann::json& params, const Reply& reply) {
            settle(reply, (runtime_.*work)(params));
        });
    };
    at_run_time("port_add", &Runtime::port_add);
    at_run_time("port_del", &Runtime::port_del);
    at_run_time("bridge_add", &Runtime::bridge_add);
    at_run_time("bridge_del", &Runtime::bridge_del);
    at_run_time("ipam_allocate", &Runtime::ipam_allocate);
    at_run_time("ipam_release", &Runtime::ipam_release);
    control_->add_method("runtime_ports", [this](const nlohmann::json&, const Reply& reply) {
        reply.result(runtime_.runtime_ports());
    });
    control_->add_method(
        "ipam", [this](const nlohmann::json&, const Reply& reply) { reply.result(runtime_.ipam()); });
    control_->add_method("confirm", [this](const nlohmann::json&, const Reply& reply) {
        reply.result(reconfiguration_.confirm());
    });
    control_->add_method("upgrade",
                         [this](const nlohmann::json&, const Reply& reply) { reply.result(upgrade()); });
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

// A change is acknowledged when every worker works by it.
void Daemon::settle(const Reply& reply, const nlohmann::json& result) {
    workers_->run_all([](Worker&) {});
    reply.result(result);
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
    names.node.failed_paths = offloading_.failed_paths();
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
