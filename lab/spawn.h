// A program in a node, as posix_spawn(3) would start it, whose child cannot do what this one has to: see its
// node's interfaces in /sys (node_sys.h). The calling process waits until the program has taken its place,
// and nothing of its memory is copied, so it may be large.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "lab/node_sys.h"

namespace weft::lab {

struct Program {
    std::string node;                    // whose network namespace, as in_namespace() takes it
    std::vector<std::string> arguments;  // the first is the program, looked for in PATH
    std::string folder;                  // where it begins
    std::vector<std::pair<std::string, std::string>> environment;  // beside the lab's
};

// In a process group of its own, no signal blocked, ignored or handled; reads nothing, and writes to
// `output`. Throws std::runtime_error if it cannot be started.
pid_t spawn(const Program& program, const NodeSys& sys, int output);

}  // namespace weft::lab
