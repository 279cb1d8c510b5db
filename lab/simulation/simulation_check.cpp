#include "lab/simulation/simulation_check.h"

#include <algorithm>

#include <fmt/format.h>

namespace weft::lab {

namespace {

constexpr auto leave_out = "remove them, or simulate --without-commands";

std::optional<std::string> problem_of(const Node& node, bool without_commands) {
    if (std::holds_alternative<RealInterface>(node.kind)) {
        return fmt::format(
            "{} is an interface of this machine, which has a time of its own: put a host there", node.name);
    }
    const auto runs = [&](const auto* kind) { return kind != nullptr && !kind->run.empty(); };
    if (!without_commands && (runs(std::get_if<Host>(&node.kind)) || runs(std::get_if<Site>(&node.kind))))
        return fmt::format("{} runs commands, which need real time: {}", node.name, leave_out);
    return std::nullopt;
}

bool has_addresses(const Node& node) {
    return std::holds_alternative<Host>(node.kind) || std::holds_alternative<Site>(node.kind);
}

std::optional<std::string> problem_of(const Topology& topology, const SiteConfig& site) {
    const auto masquerades = std::ranges::find_if(site.config.bridges, &config::Bridge::masquerade);
    if (masquerades == site.config.bridges.end()) return std::nullopt;
    return fmt::format(
        "site {}: its bridge {} is masqueraded, which the kernel does: bring the lab up with "
        "`weft lab up`, or simulate without `masquerade`",
        topology.nodes[site.node].name, masquerades->name);
}

}  // namespace

std::vector<std::string> problems_of_simulation(const Topology& topology,
                                                const std::vector<SiteConfig>& sites,
                                                const SimulationOptions& options) {
    std::vector<std::string> problems;
    const auto add = [&](const std::string& what) {
        problems.push_back(fmt::format("{}: {}", topology.file, what));
    };
    for (const Node& node : topology.nodes) {
        if (const auto problem = problem_of(node, options.without_commands)) add(*problem);
    }
    for (const SiteConfig& site : sites) {
        if (const auto problem = problem_of(topology, site)) add(*problem);
    }
    const bool runs = std::ranges::any_of(topology.events, [](const TimedEvent& event) {
        return std::holds_alternative<RunCommand>(event.action);
    });
    if (!options.without_commands && (runs || !topology.init.empty())) {
        add(fmt::format("{} commands, which need real time: {}", runs ? "events run" : "the lab begins with",
                        leave_out));
    }
    if (options.length.value_or(topology.length.value_or(Duration{0})) <= Duration{0})
        add("how long to simulate is not said: set `length`, or give --length");
    if (topology.traffic.size() > Generator::max_generators) {
        add(fmt::format("{} sections of [[traffic]]: at most {}", topology.traffic.size(),
                        Generator::max_generators));
    }
    for (const Traffic& traffic : topology.traffic) {
        const bool hosts =
            has_addresses(topology.nodes[traffic.from]) && has_addresses(topology.nodes[traffic.to]);
        if (!hosts || traffic.from == traffic.to) {
            add(fmt::format(
                "traffic {} is not between two hosts or sites: set `from` and `to` to two of them",
                traffic.name));
        }
    }
    return problems;
}

}  // namespace weft::lab
