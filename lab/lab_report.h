// What a running lab tells of itself, as JSON: `weft lab status --json`, and what the other commands show.
// Units are in the keys' names.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "lab/runner.h"
#include "vswitch/emulation/impairment.h"

namespace weft::lab {

nlohmann::json report(Runner& runner);

// What is in force and not as it is by default, by the keys of [link.impair], each value as `weft lab set`
// takes it.
nlohmann::json to_json(const Impairment& impairment);

nlohmann::json to_json(const WireCounters& counters);

std::string size_of(const Topology& topology);  // "3 nodes, 1 link"

const char* kind_of(const Node& node) noexcept;  // "host"

// "link wan: up=false" and the like.
std::string describe(const Action& action, const Topology& topology);

}  // namespace weft::lab
