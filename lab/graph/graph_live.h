// A lab that runs, as a picture wants it: out of what `weft lab status --json` tells.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "lab/graph/graph.h"
#include "lab/topology.h"

namespace weft::lab {

// Nodes by their kinds, links with what is in force now. No more than a picture needs: no routes, no
// commands. Throws nlohmann::json::exception if it is not a lab's status.
Topology topology_of(const nlohmann::json& status);

// What passed each link between two of them, and what was lost; nothing where nothing passed.
LinkFigures figures_of(const nlohmann::json& before, const nlohmann::json& now);

}  // namespace weft::lab
