// Where the nodes of a picture stand.
//
// The middle of the lab is on top: of the nodes that are not leaves (a leaf has one neighbor), those with the
// smallest greatest distance to the others; if there are several, those that are farthest from the leaves,
// which in a leaf-spine are the spines. Below are rows by distance from there. A node's leaves are one block
// in the row below it, in several lines if they are many. In its row a node is as near as the others let it
// be to the middle of its neighbors above; then, from below, the rows above are brought over what they have
// below them.
#pragma once

#include <vector>

#include "lab/topology.h"

namespace weft::lab {

struct Point {
    double x = 0;
    double y = 0;
};

struct Layout {
    std::vector<Point> nodes;  // their middles, by index
    double width = 0;
    double height = 0;
};

// Each node takes a cell of this size.
Layout lay_out(const Topology& topology, double cell_width, double cell_height);

}  // namespace weft::lab
