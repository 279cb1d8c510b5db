// What is done to the links of a running lab: by an event, a step of the script, or `weft lab set`.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lab/network.h"
#include "lab/topology.h"

namespace weft::lab {

// All but a RunCommand. What is configured of a link, with the change, is in `topology` afterwards; a
// schedule or a trace goes on from there. Throws std::runtime_error, and then nothing was done.
void apply_action(const Action& action, Topology& topology, Network& network, Instant now);

using Settings = std::vector<std::pair<std::string, std::string>>;

// "up=false" or keys of [link.impair], for a link, or for all links of a node. Throws std::runtime_error for
// what is neither, with what there is.
std::vector<Action> actions_of(const Topology& topology, const std::string& target,
                               std::optional<Direction> direction, const Settings& settings);

// Of all nodes and links, for whoever has mistyped one.
std::optional<NodeIndex> find_node(const Topology& topology, const std::string& name) noexcept;
std::optional<LinkIndex> find_link(const Topology& topology, const std::string& name) noexcept;

// Those that end at the node.
std::vector<LinkIndex> links_of(const Topology& topology, NodeIndex node);

[[noreturn]] void throw_unknown(const Topology& topology, const std::string& target);

}  // namespace weft::lab
