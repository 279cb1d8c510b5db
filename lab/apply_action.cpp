#include "lab/apply_action.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <variant>

#include <fmt/format.h>

#include "config/read_impairment.h"

namespace weft::lab {

namespace {

std::vector<Direction> directions(std::optional<Direction> one) {
    if (one) return {*one};
    return {Direction::there, Direction::back};
}

Impairment changed(Impairment impairment, const Settings& settings) {
    for (const auto& [key, value] : settings) {
        const auto set = config::set_impairment(impairment, key, value);
        if (set) continue;
        throw std::runtime_error(
            fmt::format("{}={}: {}: {}", key, value, set.error().what, set.error().cure));
    }
    return impairment;
}

void apply(const SetLink& change, Topology& topology, Network& network, Instant now) {
    Link& link = topology.links.at(change.link);
    std::array<Impairment, 2> next = link.impairment;
    for (const Direction direction : directions(change.direction)) {
        auto& one = next[static_cast<std::size_t>(direction)];
        one = changed(one, change.settings);
    }
    for (const Direction direction : directions(change.direction)) {
        const auto index = static_cast<std::size_t>(direction);
        link.impairment[index] = next[index];
        network.set(change.link, direction, next[index], now);
    }
}

void switch_link(Topology& topology, Network& network, const SwitchLink& change, Instant now) {
    Link& link = topology.links.at(change.link);
    for (const Direction direction : directions(change.direction)) {
        // What the file has down is brought up by the same command.
        Impairment& configured = link.impairment[static_cast<std::size_t>(direction)];
        if (change.up && !configured.up) {
            configured.up = true;
            network.set(change.link, direction, configured, now);
        }
        network.set_up(change.link, direction, change.up, now);
    }
}

bool truth(const std::string& value) {
    if (value == "true" || value == "yes" || value == "1") return true;
    if (value == "false" || value == "no" || value == "0") return false;
    throw std::runtime_error(fmt::format("up = {}: it is true or false", value));
}

}  // namespace

void apply_action(const Action& action, Topology& topology, Network& network, Instant now) {
    if (const auto* set = std::get_if<SetLink>(&action)) {
        apply(*set, topology, network, now);
    } else if (const auto* link = std::get_if<SwitchLink>(&action)) {
        switch_link(topology, network, *link, now);
    } else if (const auto* node = std::get_if<SwitchNode>(&action)) {
        for (const LinkIndex index : links_of(topology, node->node))
            switch_link(topology, network, {.link = index, .direction = {}, .up = node->up}, now);
    }
}

std::vector<Action> actions_of(const Topology& topology, const std::string& target,
                               std::optional<Direction> direction, const Settings& settings) {
    const auto link = find_link(topology, target);
    const auto node = find_node(topology, target);
    if (!link && !node) throw_unknown(topology, target);
    if (!link && direction)
        throw std::runtime_error(fmt::format("{} is a node: a direction is a link's", target));
    const auto links = link ? std::vector<LinkIndex>{*link} : links_of(topology, *node);
    std::vector<Action> actions;
    Settings impair;
    for (const auto& [key, value] : settings) {
        if (key != "up") {
            impair.emplace_back(key, value);
            continue;
        }
        for (const LinkIndex one : links)
            actions.emplace_back(SwitchLink{.link = one, .direction = direction, .up = truth(value)});
    }
    if (impair.empty()) return actions;
    for (const LinkIndex one : links) {
        const auto& before = topology.links[one].impairment;
        for (const Direction way : directions(direction))
            changed(before[static_cast<std::size_t>(way)], impair);  // throws for what is wrong
        actions.emplace_back(SetLink{.link = one, .direction = direction, .settings = impair});
    }
    return actions;
}

std::optional<NodeIndex> find_node(const Topology& topology, const std::string& name) noexcept {
    const auto found = std::ranges::find(topology.nodes, name, &Node::name);
    if (found == topology.nodes.end()) return std::nullopt;
    return static_cast<NodeIndex>(found - topology.nodes.begin());
}

std::optional<LinkIndex> find_link(const Topology& topology, const std::string& name) noexcept {
    const auto found = std::ranges::find(topology.links, name, &Link::name);
    if (found == topology.links.end()) return std::nullopt;
    return static_cast<LinkIndex>(found - topology.links.begin());
}

std::vector<LinkIndex> links_of(const Topology& topology, NodeIndex node) {
    std::vector<LinkIndex> found;
    for (LinkIndex i = 0; i < topology.links.size(); ++i) {
        const auto& ends = topology.links[i].ends;
        if (ends[0].node == node || ends[1].node == node) found.push_back(i);
    }
    return found;
}

void throw_unknown(const Topology& topology, const std::string& target) {
    std::vector<std::string> names;
    names.reserve(topology.links.size() + topology.nodes.size());
    for (const Link& link : topology.links) names.push_back(link.name);
    for (const Node& node : topology.nodes) names.push_back(node.name);
    constexpr std::size_t enough = 12;
    const bool more = names.size() > enough;
    if (more) names.resize(enough);
    throw std::runtime_error(fmt::format("the lab has no link and no node '{}': there are {}{}", target,
                                         fmt::join(names, ", "), more ? ", ..." : ""));
}

}  // namespace weft::lab
