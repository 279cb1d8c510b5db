// The MTU of the paths to the peers, asked of the kernel when the node starts, and what is derived from it:
// the MTU of every device that weft makes. A configured value always wins.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "config/config.h"
#include "overlay/mtu.h"
#include "vswitch/address.h"

namespace weft {

// The underlay as seen from this node: [underlay] mtu, else the MTU of [underlay] device, else the smallest
// MTU of the routes to the peers' endpoints, else 1500. IPv6 headers are reckoned with if any peer is, or may
// turn up, at an IPv6 address.
PathMtu find_path_mtu(const config::Config& config);

// The same, for whoever has routes of his own.
struct KnownMtus {
    std::function<std::optional<std::uint16_t>(const std::string& device)> of_device;
    std::function<std::optional<std::uint16_t>(const IpAddress& destination)> of_route;
};

PathMtu find_path_mtu(const config::Config& config, const KnownMtus& known);

// For devices on `bridge` and its gateway: 1500 (or less) where it is local, what fits the tunnel where it is
// stretched.
std::uint16_t bridge_mtu(const config::Config& config, const config::Bridge& bridge, const PathMtu& path);

// For TUN devices: what fits the tunnel, 1500 where there is none.
std::uint16_t tun_mtu(const config::Config& config, const PathMtu& path);

}  // namespace weft
