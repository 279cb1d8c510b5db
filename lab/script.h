// `weft lab run`: a lab is made, the steps of its file are done one after the other, and it is taken down,
// whatever comes of them.
#pragma once

#include "lab/topology.h"

namespace weft::lab {

struct RunOptions {
    bool rootless = false;
    bool verbose = false;  // also the output of steps that pass
};

// 0: every step was as expected; 1: one was not, and was the last one. Each is told as it ends.
int run_script(const Topology& topology, const RunOptions& options);

}  // namespace weft::lab
