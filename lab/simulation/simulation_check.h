// What of a topology cannot be simulated.
#pragma once

#include <string>
#include <vector>

#include "lab/simulation/simulation.h"
#include "lab/simulation/site_config.h"

namespace weft::lab {

// "FILE: what: cure", one for each problem.
std::vector<std::string> problems_of_simulation(const Topology& topology,
                                                const std::vector<SiteConfig>& sites,
                                                const SimulationOptions& options);

}  // namespace weft::lab
