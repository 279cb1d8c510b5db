// A lab in real time: the network of network.h between TAP devices in the namespaces of its hosts and sites,
// with the machine's clock. One thread and one event loop: a wakeup for each device that has frames, and an
// alarm for the next frame that arrives or the next event, to the kernel's precision, and earlier by what
// waking takes. Between them it sleeps.
//
// It runs in the sandbox (sandbox.h), whose mounts are there already. What goes wrong is thrown, also out of
// the loop's callbacks, and is the end of the lab.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cli/loop.h"
#include "lab/ends.h"
#include "lab/events.h"
#include "lab/network.h"
#include "lab/processes.h"
#include "lab/topology.h"
#include "vswitch/emulation/lead_time.h"

namespace weft::lab {

// What becomes of an attempt, for whoever waits for the lab.
using Progress = std::function<void(const std::string& what)>;

class Runner {
  public:
    struct Options {
        std::string folder;    // the state folder
        std::string programs;  // where weftd and weft are
        int machine = -1;      // the network namespace with the machine's interfaces
    };

    // Makes namespaces, devices, addresses and routes; throws std::runtime_error that names the node.
    Runner(Loop& loop, Topology topology, Options options, const Progress& progress);
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;

    // Those that lead by interfaces which sites have made: when they are up. Throws as the constructor does.
    void add_late_routes();

    // From now on events happen.
    void start_events();

    // Now, as an event would. Throws std::runtime_error if it cannot be done.
    void act(const Action& action);

    // "sh -c" in a node.
    [[nodiscard]] Program shell(NodeIndex node, const std::string& command) const;

    // What a program in the node finds in its environment.
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> environment(NodeIndex node) const;

    void set_control(NodeIndex site, std::string path) { controls_[site] = std::move(path); }

    [[nodiscard]] std::string log_of(NodeIndex node) const;

    void warn(std::string warning);

    [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }

    [[nodiscard]] Loop& loop() noexcept { return loop_; }

    [[nodiscard]] const Topology& topology() const noexcept { return topology_; }

    [[nodiscard]] const Options& options() const noexcept { return options_; }

    [[nodiscard]] Network& network() noexcept { return network_; }

    [[nodiscard]] const Ends& ends() const noexcept { return ends_; }

    [[nodiscard]] Processes& processes() noexcept { return processes_; }

    [[nodiscard]] Instant began() const noexcept { return began_; }

  private:
    void make_node(NodeIndex index);
    void set_carrier(LinkIndex link, bool carrier) noexcept;
    void sent(EndId end, std::vector<Packet>& frames);
    void on_alarm();
    void set_alarm();

    Loop& loop_;
    Topology topology_;
    Options options_;
    Instant began_;
    PacketPool pool_;
    Network network_;
    Ends ends_;
    Processes processes_;
    Events events_;
    Alarm alarm_;
    Instant alarm_at_ = Instant::max();  // for what it is
    Instant alarm_set_to_;               // a little earlier
    LeadTime lead_time_;
    std::map<NodeIndex, std::vector<HostRoute>> late_routes_;
    std::map<NodeIndex, std::string> controls_;  // of sites: the sockets
    std::vector<std::string> warnings_;
};

}  // namespace weft::lab
