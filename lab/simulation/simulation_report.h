// What a simulation has counted, for people and for programs. The keys of the JSON are stable and carry their
// unit.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "lab/simulation/simulation.h"

namespace weft::lab {

nlohmann::json report_simulation(const Topology& topology, const SimulationResult& result);

// Tables of the traffic, the links and the sites' peers.
std::string render_simulation(const Topology& topology, const SimulationResult& result, bool color);

}  // namespace weft::lab
