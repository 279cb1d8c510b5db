// The routes that make a lab's networks reach one another, where the file does not say otherwise.
//
// A host or site without a default route gets one through the first router on the first of its segments that
// has one; a switch with a gateway counts as a router. A router gets a route to each network of another
// router of the lab by a shortest path, one of several of the same length by a hash of the network. Both are
// calculated once, from the file: a link that fails changes no route.
#pragma once

#include <vector>

#include "lab/file/draft.h"
#include "lab/file/segments.h"

namespace weft::lab {

void add_routes(const Draft& draft, const std::vector<Segment>& segments, Topology& topology,
                config::Report& report);

}  // namespace weft::lab
