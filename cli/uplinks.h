// The devices by which the underlay's datagrams come and go, for programs that the kernel is to run there.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace weft {

struct Uplink {
    std::string name;
    unsigned index = 0;  // 0: there is no such device
};

// [fastpath] uplinks, in that order; else [underlay] device; else those of the default routes and of the
// routes to the peers' endpoints that are addresses, as they are now, by index and without the loopback.
// Throws std::runtime_error if the kernel does not tell its routes.
std::vector<Uplink> find_uplinks(const config::Config& config);

}  // namespace weft
