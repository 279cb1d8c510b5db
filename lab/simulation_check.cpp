#include "lab/simulation_check.h"

#include <algorithm>

#include <fmt/format.h>

namespace weft::lab {

namespace {

constexpr auto leave_out = "remove them, or simulate --without-commands";

std::optional<std::string> problem_of(const Node& node, bool without_commands) {
    if (std::holds_alternative<Site>(node.kind))
        return fmt::format(
            "{} is a site, a process of its own: bring the lab up with `weft lab up`, or put a host there",
            node.name);
    if (std::holds_alternative<RealInterface>(node.kind))
        return fmt::format(
            "{} is an interface of this machine, which has a time of its own: put a host there", node.name);
    const auto* host = std::get_if<Host>(&node.kind);
    if (host != nullptr && !host->run.empty() && !without_commands)
        return fmt::format("{} runs commands, which need real time: {}", node.name, leave_out);
    return std::nullopt;
}

}  // namespace

std::vector<std::string> problems_of_simulation(const Topology& topology, const SimulationOptions& options) {
    std::vector<std::string> problems;
    const auto add = [&](const std::string& what) {
        problems.push_back(fmt::format("{}: {}", topology.file, what));
    };
    for (const Node& node : topology.nodes) {
        if (const auto problem = problem_of(node, options.without_commands)) add(*problem);
    }
    const bool runs = std::ranges::any_of(topology.events, [](const TimedEvent& event) {
        return std::holds_alternative<RunCommand>(event.action);
    });
    if (!options.without_commands && (runs || !topology.init.empty()))
        add(fmt::format("{} commands, which need real time: {}", runs ? "events run" : "the lab begins with",
                        leave_out));
    if (options.length.value_or(topology.length.value_or(Duration{0})) <= Duration{0})
        add("how long to simulate is not said: set `length`, or give --length");
    if (topology.traffic.size() > Generator::max_generators)
        add(fmt::format("{} sections of [[traffic]]: at most {}", topology.traffic.size(),
                        Generator::max_generators));
    for (const Traffic& traffic : topology.traffic) {
        const bool hosts = std::holds_alternative<Host>(topology.nodes[traffic.from].kind) &&
                           std::holds_alternative<Host>(topology.nodes[traffic.to].kind);
        if (!hosts || traffic.from == traffic.to)
            add(fmt::format("traffic {} is not between two hosts: set `from` and `to` to two of them",
                            traffic.name));
    }
    return problems;
}

}  // namespace weft::lab
