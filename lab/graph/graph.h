// Pictures of a lab: in DOT, for graphviz, and in SVG, laid out here (graph_layout.h). Nodes with their
// addresses, links with what they do to packets and, while the lab runs, what they carry. The same lab gives
// the same picture, byte for byte.
#pragma once

#include <map>
#include <string>

#include "lab/topology.h"

namespace weft::lab {

// What a link shows besides its impairment, as "9.4 Mbit/s, 0.1 % lost".
using LinkFigures = std::map<LinkIndex, std::string>;

std::string to_dot(const Topology& topology, const LinkFigures& figures = {});
std::string to_svg(const Topology& topology, const LinkFigures& figures = {});

}  // namespace weft::lab
