// What a step of a script expects of its command, held against what came of it.
#pragma once

#include <optional>
#include <string>

#include "lab/processes.h"
#include "lab/topology.h"

namespace weft::lab {

// In words what is not as expected; nothing: all is.
std::optional<std::string> unmet(const Step& step, const ProgramEnd& end);

}  // namespace weft::lab
