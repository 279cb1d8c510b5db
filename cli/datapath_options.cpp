#include "cli/datapath_options.h"

#include <algorithm>
#include <vector>

#include "cli/derived.h"
#include "cli/paths.h"

namespace weft {

BridgeOptions bridge_options(const config::Bridge& bridge) {
    return {.vni = bridge.vni,
            .limits = {.entries = bridge.max_stations,
                       .entries_per_port = bridge.max_stations_per_port,
                       .aging = bridge.aging},
            .arp_suppress = bridge.arp_suppress};
}

LegOptions leg_options(const config::Config& config, const config::Bridge& bridge, const PathMtu& path) {
    return {.mac = bridge.gateway_mac.value_or(derived_mac(config.node.name, "bridge " + bridge.name)),
            .addresses = bridge.gateway,
            .mtu = bridge_mtu(config, bridge, path)};
}

PeerOptions peer_options(const config::Peer& peer, const PathMtu& path) {
    return {.encrypted = !peer.is_plain(),
            .prefixes = peer.prefixes,
            .routed_mtu = path.routed(),
            .path_mtu = peer.is_plain() ? std::nullopt : std::optional{path.underlay},
            .probes_path = !peer.is_plain() && !peer.manual,
            .liveness = {.keepalive = peer.keepalive, .ask_after = peer.dead_peer_detection},
            .replay_window = peer.replay_window};
}

VlanFilter vlan_filter(const config::Port& port) {
    if (port.vlan) return VlanFilter::access(*port.vlan);
    if (!port.trunk.empty()) return VlanFilter::trunk(port.trunk);
    return VlanFilter::all();
}

FrameDeviceOptions frame_device_options(const config::Port& port, const std::optional<MacAddress>& mac) {
    FrameDeviceOptions options{.vlans = vlan_filter(port), .isolated = port.isolated};
    const auto station = mac ? mac : port.mac;
    if (!port.spoof_check || !station) return options;
    std::vector<IpAddress> addresses;
    addresses.reserve(port.address.size());
    for (const Prefix& own : port.address) addresses.push_back(own.address);
    options.guard.emplace(*station, std::move(addresses));
    return options;
}

std::optional<MacAddress> device_mac(const config::Config& config, const config::Port& port) {
    if (port.type != config::Port::Type::tap && port.type != config::Port::Type::veth) return std::nullopt;
    return port.mac.value_or(derived_mac(config.node.name, "port " + port.name));
}

std::uint16_t device_mtu(const config::Config& config, const config::Port& port, const PathMtu& path) {
    if (port.mtu) return *port.mtu;
    if (!port.bridge) return tun_mtu(config, path);
    return bridge_mtu(config, *std::ranges::find(config.bridges, *port.bridge, &config::Bridge::name), path);
}

}  // namespace weft
