// What of a topology cannot be simulated.
#pragma once

#include <string>
#include <vector>

#include "lab/simulation.h"

namespace weft::lab {

// "FILE: what: cure", one for each problem.
std::vector<std::string> problems_of_simulation(const Topology& topology, const SimulationOptions& options);

}  // namespace weft::lab
