// Addresses for the ends of links to which the file gives none.
//
// A segment on which the file gives addresses has their network; another gets one of the lab's pool, a /24
// (or what its ends need) and an IPv6 /64, in the order in which segments first appear in the file. On a
// segment, ends are numbered in the order of the links, from 1, passing over what is given. So a link that is
// added at the end of the file changes nobody else's address, unless it joins two segments.
#pragma once

#include <vector>

#include "lab/file/draft.h"
#include "lab/file/segments.h"

namespace weft::lab {

// The draft's links are the topology's, one for one.
void assign_addresses(const Draft& draft, const std::vector<Segment>& segments, Topology& topology,
                      config::Report& report);

}  // namespace weft::lab
