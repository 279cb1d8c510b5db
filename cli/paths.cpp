#include "cli/paths.h"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "vswitch/netlink.h"

namespace weft {

namespace {

constexpr std::uint16_t ethernet_mtu = 1500;

bool is_encrypted(const config::Peer& peer) {
    return peer.encryption == config::Peer::Encryption::esp;
}

bool reaches_ipv6(const config::Config& config) {
    return std::ranges::any_of(config.peers, [&](const config::Peer& peer) {
        if (!peer.endpoint_host) return config.underlay.esp.address.is_v6();
        const auto address = IpAddress::parse(*peer.endpoint_host);
        return address ? address->is_v6() : config.underlay.esp.address.is_v6();
    });
}

std::uint16_t underlay_mtu(const config::Config& config, const KnownMtus& known) {
    if (config.underlay.mtu) return *config.underlay.mtu;
    if (config.underlay.device) {
        if (const auto mtu = known.of_device(*config.underlay.device)) return *mtu;
        throw std::runtime_error("underlay device " + *config.underlay.device +
                                 ": no such device: correct [underlay] device, or create it first");
    }
    std::optional<std::uint16_t> smallest;
    for (const config::Peer& peer : config.peers) {
        const auto address = peer.endpoint_host ? IpAddress::parse(*peer.endpoint_host) : std::nullopt;
        const auto mtu = address ? known.of_route(*address) : std::nullopt;
        if (mtu) smallest = std::min(*mtu, smallest.value_or(*mtu));
    }
    // Loopback's 64 KiB is no path to a peer.
    return std::min(smallest.value_or(ethernet_mtu), std::uint16_t{9216});
}

}  // namespace

PathMtu find_path_mtu(const config::Config& config) {
    std::optional<Netlink> kernel;
    const auto netlink = [&kernel]() -> Netlink& { return kernel ? *kernel : kernel.emplace(); };
    return find_path_mtu(config,
                         {.of_device = [&](const std::string& device) -> std::optional<std::uint16_t> {
                              const auto link = netlink().link(device);
                              return link ? std::optional{link->mtu} : std::nullopt;
                          },
                          .of_route = [&](const IpAddress& to) { return netlink().route_mtu(to); }});
}

PathMtu find_path_mtu(const config::Config& config, const KnownMtus& known) {
    return {underlay_mtu(config, known), reaches_ipv6(config)};
}

std::uint16_t bridge_mtu(const config::Config& config, const config::Bridge& bridge, const PathMtu& path) {
    const bool tagged = std::ranges::any_of(config.ports, [&](const config::Port& port) {
        return port.bridge == bridge.name && (port.vlan || !port.trunk.empty());
    });
    std::uint16_t mtu = ethernet_mtu;
    for (const config::Peer& peer : config.peers) {
        if (std::ranges::find(peer.bridges, bridge.name) == peer.bridges.end()) continue;
        mtu = std::min(mtu, is_encrypted(peer) ? path.bridged(tagged) : path.bridged_plain(tagged));
    }
    return mtu;
}

std::uint16_t tun_mtu(const config::Config& config, const PathMtu& path) {
    return std::ranges::any_of(config.peers, is_encrypted) ? std::min(ethernet_mtu, path.routed())
                                                           : ethernet_mtu;
}

}  // namespace weft
