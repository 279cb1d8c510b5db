#include "lab/runner.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <utility>
#include <variant>

#include <sys/prctl.h>
#include <sys/resource.h>

#include <fmt/format.h>

#include "lab/apply_action.h"
#include "lab/launch.h"
#include "lab/node_namespace.h"
#include "lab/switch_loop.h"
#include "vswitch/device/packet_socket.h"
#include "vswitch/precise_timer.h"

namespace weft::lab {

namespace {

// Those that wait in wires, all together.
constexpr std::size_t pool_size = 65536;

// Two devices a link, and a socket for each. No more than it takes: programs inherit it, and some close all
// that they could have.
void allow_descriptors(std::size_t links) noexcept {
    constexpr rlim_t others = 256;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = std::min(limit.rlim_max, std::max(limit.rlim_cur, others + 4 * links));
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

struct OwnEnd {
    EndId id;
    const LinkEnd* end;
};

std::vector<OwnEnd> ends_of(const Topology& topology, NodeIndex node) {
    std::vector<OwnEnd> found;
    for (LinkIndex link = 0; link < topology.links.size(); ++link) {
        for (std::uint8_t which = 0; which < 2; ++which) {
            const LinkEnd& end = topology.links[link].ends[which];
            if (end.node == node) found.push_back({EndId{link, which}, &end});
        }
    }
    return found;
}

const std::vector<HostRoute>* routes_of(const Node& node) {
    if (const auto* host = std::get_if<Host>(&node.kind)) return &host->routes;
    if (const auto* site = std::get_if<Site>(&node.kind)) return &site->routes;
    return nullptr;
}

const std::map<std::string, std::string>& sysctls_of(const Node& node) {
    if (const auto* host = std::get_if<Host>(&node.kind)) return host->sysctl;
    return std::get<Site>(node.kind).sysctl;
}

}  // namespace

Runner::Runner(Loop& loop, Topology topology, Options options, const Progress& progress)
    : loop_(loop),
      topology_(std::move(topology)),
      options_(std::move(options)),
      began_(precise_now()),
      pool_(pool_size),
      network_(topology_, pool_, began_,
               [this](EndId end, std::vector<Packet>& frames, Instant) { ends_.deliver(end, frames); }),
      ends_(loop, pool_, [this](EndId end, std::vector<Packet>& frames) { sent(end, frames); }),
      processes_(loop),
      events_(topology_.events),
      alarm_(loop, [this] { on_alarm(); }) {
    allow_descriptors(topology_.links.size());
    ::prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    for (NodeIndex i = 0; i < topology_.nodes.size(); ++i) {
        progress(fmt::format("node {} of {}: {}", i + 1, topology_.nodes.size(), topology_.nodes[i].name));
        try {
            make_node(i);
        } catch (const std::exception& error) {
            throw std::runtime_error(fmt::format("node {}: {}", topology_.nodes[i].name, error.what()));
        }
    }
    if (const auto closed = find_switch_loop(topology_, Closed::now)) warn(describe(*closed, topology_));
    network_.watch_connections([this](LinkIndex link, bool connected) { set_carrier(link, connected); });
    set_alarm();
}

void Runner::set_carrier(LinkIndex link, bool carrier) noexcept {
    for (const std::uint8_t which : {std::uint8_t{0}, std::uint8_t{1}})
        ends_.set_carrier({link, which}, carrier);
}

void Runner::make_node(NodeIndex index) {
    const Node& node = topology_.nodes[index];
    if (const auto* real = std::get_if<RealInterface>(&node.kind)) {
        if (options_.machine < 0) {
            throw std::runtime_error(fmt::format(
                "the machine's interface {} can be given to a lab by root alone: run this as root, "
                "without --rootless",
                real->device));
        }
        const std::string machine = fmt::format("/proc/self/fd/{}", options_.machine);
        for (const OwnEnd& own : ends_of(topology_, index))
            ends_.add(own.id, open_packet_socket(real->device, machine));
        return;
    }
    const auto* routes = routes_of(node);
    if (routes == nullptr) return;  // of the network: it has no namespace
    const Home home;
    enter_new_namespace(node.name);
    std::vector<LinkEnd> interfaces;
    for (const OwnEnd& own : ends_of(topology_, index)) {
        ends_.add(own.id, make_tap(*own.end));
        if (!network_.is_connected(own.id.link)) ends_.set_carrier(own.id, false);
        interfaces.push_back(*own.end);
    }
    for (const auto& [key, value] : sysctls_of(node)) set_sysctl(key, value);
    const bool any_sites = std::ranges::any_of(
        topology_.nodes, [](const Node& other) { return std::holds_alternative<Site>(other.kind); });
    std::vector<HostRoute> at_once;
    for (const HostRoute& route : *routes) {
        const bool waits = any_sites && !leads_by(route, interfaces);
        (waits ? late_routes_[index] : at_once).push_back(route);
    }
    add_routes(at_once);
}

void Runner::add_late_routes() {
    for (const auto& [node, routes] : late_routes_) {
        const std::string& name = topology_.nodes[node].name;
        try {
            const Home home;
            enter_namespace(name);
            add_routes(routes);
        } catch (const std::exception& error) {
            throw std::runtime_error(fmt::format("node {}: {}", name, error.what()));
        }
    }
}

void Runner::sent(EndId end, std::vector<Packet>& frames) {
    const Instant now = precise_now();
    network_.send(end, frames, now);
    set_alarm();
}

// What is due within the time that waking takes is due now.
void Runner::on_alarm() {
    const Instant now = precise_now();
    lead_time_.woke(alarm_set_to_, now);
    alarm_at_ = Instant::max();
    const Instant due = now + lead_time_.lead();
    events_.run_due(due, [this](std::size_t index) {
        try {
            act(topology_.events[index].action);
        } catch (const std::exception& error) {
            warn(fmt::format("event {}: {}", index + 1, error.what()));
        }
    });
    network_.advance(due);
    set_alarm();
}

void Runner::set_alarm() {
    const Instant at = std::min(network_.next(), events_.next());
    if (at == alarm_at_) return;
    alarm_at_ = at;
    alarm_set_to_ = at == Instant::max() ? at : at - lead_time_.lead();
    alarm_.set(alarm_set_to_);
}

void Runner::start_events() {
    began_ = precise_now();
    events_.start(began_);
    set_alarm();
}

void Runner::act(const Action& action) {
    if (const auto* command = std::get_if<RunCommand>(&action)) {
        processes_.start(shell(command->node, command->command), log_of(command->node));
        return;
    }
    apply_action(action, topology_, network_, precise_now());
    set_alarm();
}

Program Runner::shell(NodeIndex node, const std::string& command) const {
    return {.node = topology_.nodes.at(node).name,
            .arguments = {"/bin/sh", "-c", command},
            .folder = std::filesystem::absolute(topology_.file).parent_path(),
            .environment = environment(node)};
}

std::vector<std::pair<std::string, std::string>> Runner::environment(NodeIndex node) const {
    std::vector<std::pair<std::string, std::string>> result{{"PATH", search_path(options_.programs)},
                                                            {"WEFT_LAB", topology_.name},
                                                            {"WEFT_NODE", topology_.nodes.at(node).name}};
    if (const auto found = controls_.find(node); found != controls_.end())
        result.emplace_back("WEFT_CONTROL", found->second);
    return result;
}

std::string Runner::log_of(NodeIndex node) const {
    return fmt::format("{}/{}.log", options_.folder, topology_.nodes.at(node).name);
}

void Runner::warn(std::string warning) {
    fmt::print(stderr, "{}\n", warning);
    std::fflush(stderr);
    warnings_.push_back(std::move(warning));
}

}  // namespace weft::lab
