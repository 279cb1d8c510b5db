// Joins the ends of a draft's links to its nodes: names become indices, interfaces and MAC addresses are
// given where the file gives none. What is wrong with a reference is reported at its place.
#pragma once

#include "lab/file/draft.h"

namespace weft::lab {

// Fills the topology's nodes and links; ends have the addresses that the file gives them. Names are those
// that are unique; a link with an end that is nowhere is left out.
Names resolve(const Draft& draft, Topology& topology, config::Report& report);

// Of a node, by the way of "did you mean".
std::optional<NodeIndex> find_node(const Names& names, const std::string& name, config::Position at,
                                   config::Report& report);
std::optional<LinkIndex> find_link(const Names& names, const std::string& name, config::Position at,
                                   config::Report& report);

}  // namespace weft::lab
