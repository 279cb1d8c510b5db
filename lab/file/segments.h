// The layer-2 networks of a lab: which ends of links hear one another, by the links and switches between them
// and the VLANs of the switches' ports. An untagged port is in VLAN 0; a port without VLANs carries them all.
#pragma once

#include <cstdint>
#include <vector>

#include "lab/topology.h"

namespace weft::lab {

struct SegmentEnd {
    LinkIndex link = 0;
    std::uint8_t which = 0;

    friend auto operator<=>(const SegmentEnd&, const SegmentEnd&) = default;
};

struct Segment {
    std::vector<SegmentEnd> ends;  // of hosts, sites, routers and real interfaces, in the order of the links
    std::vector<NodeIndex> switches;  // whose untagged VLAN is in it, and so their gateways
};

// In the order of their first ends.
std::vector<Segment> find_segments(const Topology& topology);

inline const LinkEnd& end_of(const Topology& topology, SegmentEnd end) noexcept {
    return topology.links[end.link].ends[end.which];
}

}  // namespace weft::lab
