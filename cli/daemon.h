// A running node: the composition root. It owns the workers, the keys of the peers, the control socket, and
// the configuration that is in force; it brings the node from one configuration to the next by applying the
// changes between them, one object at a time. Starting is the way from none, stopping the way back.
//
// Owner: the control thread, on whose loop everything here runs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cli/control.h"
#include "cli/deny.h"
#include "cli/handover.h"
#include "cli/keeper.h"
#include "cli/kernel_routes.h"
#include "cli/keying.h"
#include "cli/loop.h"
#include "cli/monitor.h"
#include "cli/offloading.h"
#include "cli/reconfiguration.h"
#include "cli/report.h"
#include "cli/runtime.h"
#include "cli/sandbox.h"
#include "cli/tunnel_routes.h"
#include "cli/uplink_guard.h"
#include "cli/workers.h"
#include "config/config.h"
#include "config/diff.h"
#include "overlay/mtu.h"

namespace weft {

class Daemon {
  public:
    // `config`: the file that it is run by. `upgrade` ends the loop, and has hand_over_to_successor() called;
    // it throws std::runtime_error if that is not how this weftd is upgraded.
    Daemon(Loop& loop, const std::string& config, const Keeper::Successor& successor,
           std::function<void()> upgrade);
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    // Starts with this configuration, and what the last weftd has left. Throws std::runtime_error naming the
    // object that could not be had; what was made until then goes with the daemon.
    void begin(std::unique_ptr<config::Config> config, Inheritance inherited);

    // From now on files and names are as far away as that.
    void confined(const SandboxOptions& calls) { confined_ = calls; }

    // What would lead from the configuration in force to `next`, in words; completes it by what was added at
    // run time. Throws std::runtime_error if that
    // takes a restart.
    [[nodiscard]] std::vector<std::string> plan(config::Config& next) const;

    // Makes `next`, which plan() has seen, the configuration in force; what is equal in both is not touched.
    // Returns the number of changes. Throws std::runtime_error; then all is as it was.
    std::size_t apply(std::unique_ptr<config::Config> next);

    // What was added at run time before, comes back. Needs the privileges of the start.
    void restore() { runtime_.begin(config_->node.state_dir); }

    // The node is complete: from now on it reads what arrives, and has arrived.
    void open_up();

    // A planned end: everything stops, and what the next weftd goes on with is given to `keep`, which says
    // whether it is in good hands. If not, the log says why, and the node ends like any other. To be
    // destroyed after that.
    using Keep = std::function<bool(const Legacy::Named&)>;
    void hand_over(const Keep& keep);
    void hand_over_to_successor();

    // The configuration file has been written anew (SIGHUP). Logs what comes of it.
    void reload() { reconfiguration_.reload(); }

    // For `weft status`, until the daemon ends.
    void warn(std::string warning) { names_.node.warnings.push_back(std::move(warning)); }

  private:
    nlohmann::json upgrade();
    void open_underlay(const UnderlayOptions& options);
    [[nodiscard]] MadePort get_port(const config::Port& port, const PortOrder& order);
    [[nodiscard]] std::optional<MadePort> adopt_port(const config::Port& port, const PortOrder& order);
    void remember_made(const config::Port& port, const PortOrder& order, const MadePort& made);
    void adopt_stations();
    void describe(Legacy& legacy);
    void describe_ports(Legacy& legacy);
    void describe_peers(HandoverState& state);
    void describe_stations(HandoverState& state);
    void tune(const config::Tuning& tuning);
    void deny(const config::Config& config);
    void start(const config::Config& config);  // what cannot change later: workers, keys, sockets

    void check_changes(const config::Config& next, const std::vector<config::Change>& changes) const;
    void carry_out(const config::Change& change);
    void take_back(std::span<const config::Change> done);
    void sync_routes(const config::Config& config);
    void masquerade(const config::Config& config);
    template <class Add>
    void carry_out_alone(const Add& add);
    void add_port(const config::Port& port);
    void remove_port(const std::string& name);
    void add_bridge(const config::Bridge& bridge);
    void remove_bridge(const std::string& name);
    void follow_mtus();

    void change(const config::ReplaceNode& replace);
    void change(const config::ReplaceUnderlay& replace);
    void change(const config::ReplaceTuning& replace);
    void change(const config::ReplaceFastPath& replace);
    void change(const config::ChangeDenied& change);
    void change(const config::AddBridge& add);
    void change(const config::RemoveBridge& remove);
    void change(const config::ChangeBridge& change);
    void change(const config::AddPeer& add);
    void change(const config::RemovePeer& remove);
    void change(const config::ChangePeer& change);
    void change(const config::AddPort& add);
    void change(const config::RemovePort& remove);
    void change(const config::ChangePort& change);
    void change(const config::AddRoute& add);
    void change(const config::RemoveRoute& remove);

    void add_leg(const config::Bridge& bridge, BridgeId id);
    void remove_leg(const config::Bridge& bridge);
    [[nodiscard]] Topology::Reach reach_of(const config::Peer& peer) const;
    [[nodiscard]] PortOrder order_of(const config::Port& port) const;
    [[nodiscard]] std::vector<std::pair<std::optional<std::string>, std::string>> devices_of(
        const config::Port& port) const;

    PortId new_port(PortInfo info);
    PortId port_id(PortInfo::Kind kind, const std::string& name) const;
    PortId device_id(const std::string& name) const;
    BridgeId bridge_id(const std::string& name) const;
    PeerId peer_id(const std::string& name) const;

    void serve(const std::string& path);
    using Report = nlohmann::json (*)(const Snapshot&, const Names&);
    void answer(const std::string& method, Report report);
    void settle(const Reply& reply, const nlohmann::json& result);
    void ask_workers(Report report, const Reply& reply, std::size_t flows = 0);
    void complete(unsigned worker, SnapshotTaken taken);
    void located(PeerId peer, const Endpoint& endpoint);
    void lost(PortId port);
    void differed(const FlowDiffered& flow);
    void handle_events();
    void handle(unsigned worker, WorkerEvent event);
    Names current_names() const;

    Loop& loop_;
    Keeper keeper_;
    std::function<void()> upgrade_;
    Instant started_;
    std::unique_ptr<config::Config> config_;  // in force
    const config::Config* target_ = nullptr;  // while apply() is at work
    SandboxOptions confined_;
    Reconfiguration reconfiguration_;
    Runtime runtime_;
    PathMtu path_;

    Wakeup events_waiting_;
    std::unique_ptr<Workers> workers_;
    UplinkGuard guard_;
    DeniedSources denied_;
    Monitor monitor_;
    std::unique_ptr<Keying> keying_;
    std::unique_ptr<ControlServer> control_;
    KernelRoutes kernel_routes_;
    Offloading offloading_;
    std::unique_ptr<TunnelRoutes> tunnel_routes_;  // if there are plain peers and a fast path
    std::set<std::string> veths_;                  // ports that are pairs

    // How a port was made, for the next weftd; with hooks of its own, so that the fast path's programs
    // outlive this one.
    struct Made {
        HandoverState::Port port;
        std::vector<Descriptor> hooks;
    };

    std::map<std::string, Made> made_;
    // While the node starts. The last weftd's hooks carry flows until this one reads.
    Inheritance inherited_;
    std::vector<Descriptor> old_hooks_;

    Names names_;
    std::uint16_t next_port_ = 0;
    std::uint16_t next_bridge_ = 0;
    std::uint16_t next_peer_ = 0;

    // Requests that wait for the workers' parts of the answer.
    struct Request {
        std::function<void(const Snapshot&)> answer;
        std::vector<std::unique_ptr<Snapshot>> parts;  // by worker; null: still to come
    };

    std::uint64_t next_request_ = 0;
    std::map<std::uint64_t, Request> requests_;
};

}  // namespace weft
