// The names of a lab's nodes as a resolver knows them: the lines of an /etc/hosts. A node's name is the
// addresses of its first interface that has any; each interface has a name of its own, "h1-eth1".
#pragma once

#include <string>

#include "lab/topology.h"

namespace weft::lab {

std::string hosts_file(const Topology& topology);

}  // namespace weft::lab
