// What the objects of a configuration are to the packet path: the options of overlay/topology.h, and what of
// them follows from the rest of the configuration. Whoever runs a Config goes by these: the daemon, and a lab
// that simulates one.
#pragma once

#include <cstdint>
#include <optional>

#include "config/config.h"
#include "overlay/mtu.h"
#include "overlay/topology.h"

namespace weft {

BridgeOptions bridge_options(const config::Bridge& bridge);

// Of a bridge with a gateway.
LegOptions leg_options(const config::Config& config, const config::Bridge& bridge, const PathMtu& path);

// Without the bridges, of which only the owner of the topology knows the ids, and without an endpoint.
PeerOptions peer_options(const config::Peer& peer, const PathMtu& path);

VlanFilter vlan_filter(const config::Port& port);

// `mac` is of the port's own device, if weft made it.
FrameDeviceOptions frame_device_options(const config::Port& port, const std::optional<MacAddress>& mac);

// Of the device that weft makes for it; nothing for a TUN and a packet port.
std::optional<MacAddress> device_mac(const config::Config& config, const config::Port& port);

std::uint16_t device_mtu(const config::Config& config, const config::Port& port, const PathMtu& path);

}  // namespace weft
