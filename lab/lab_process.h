// The lab's own process, in its sandbox: it mounts, makes, starts, says that it is up, and goes on until it
// is told to end, or the front ends that stays with it.
//
//   to the front    {"progress": text}*, then {"up": true, "warnings": [...]} or {"error": text}
//   from the front  {"go_on": true, "stays": whether the lab is to end with it}
#pragma once

#include "cli/descriptor_channel.h"
#include "lab/runner.h"
#include "lab/topology.h"

namespace weft::lab {

// Returns the exit status; throws what goes wrong.
int run_lab(DescriptorChannel& front, Topology topology, Runner::Options options);

}  // namespace weft::lab
