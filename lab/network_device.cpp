#include "lab/network_device.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "cli/derived.h"

namespace weft::lab {

namespace {

using namespace std::chrono_literals;

constexpr FlowTable::Limits flows{.flows = 1024};
constexpr BridgeId lan{0};

constexpr Duration tick_interval = 200ms;  // as weftd's workers
constexpr Duration busy_for = 5s;          // from the last frame: a gateway asks three times, a second apart
constexpr Duration quiet_interval = 10s;

// A router's bridge has two members: a station that it does not know is behind the other one.
constexpr MacTable::Limits behind_router{.entries = 64, .entries_per_port = 64};

VlanFilter vlans_of(const LinkEnd& end) {
    if (end.vlan) return VlanFilter::access(*end.vlan);
    if (!end.trunk.empty()) return VlanFilter::trunk(end.trunk);
    return VlanFilter::all();
}

}  // namespace

NetworkDevice::NetworkDevice(std::string_view lab, const Node& node, PacketPool& pool)
    : datapath_(pool, flows),
      is_router_(std::holds_alternative<Router>(node.kind)),
      forgets_after_(behind_router.aging + flows.idle) {
    if (is_router_) return;
    const config::Bridge& bridge = std::get<Switch>(node.kind).bridge;
    datapath_.topology().add_bridge(lan, {.vni = bridge.vni,
                                          .limits = {.entries = bridge.max_stations,
                                                     .entries_per_port = bridge.max_stations_per_port,
                                                     .aging = bridge.aging},
                                          .arp_suppress = bridge.arp_suppress});
    forgets_after_ = std::max<Duration>(bridge.aging, flows.idle) + flows.idle;
    if (bridge.gateway.empty()) return;
    const PortId leg{0};
    ends_.emplace_back();
    datapath_.topology().add_leg(
        leg, lan,
        {.mac = bridge.gateway_mac.value_or(derived_mac(std::string{lab}, "gateway " + node.name)),
         .addresses = bridge.gateway,
         .mtu = 1500});
}

PortId NetworkDevice::attach(EndId where, const LinkEnd& end) {
    const PortId port{static_cast<std::uint16_t>(ends_.size())};
    ends_.push_back(where);
    if (is_router_) {
        attach_to_router(port, end);
    } else {
        datapath_.topology().add_frame_device(port, lan, {.vlans = vlans_of(end)});
    }
    return port;
}

void NetworkDevice::attach_to_router(PortId port, const LinkEnd& end) {
    const auto leg = static_cast<std::uint16_t>(port.value() + 1);
    ends_.push_back(ends_.back());
    const BridgeId bridge{static_cast<std::uint16_t>(port.value() / 2)};
    datapath_.topology().add_bridge(bridge, {.vni = std::nullopt, .limits = behind_router});
    datapath_.topology().add_frame_device(port, bridge, {});
    datapath_.topology().add_leg(PortId{leg}, bridge,
                                 {.mac = end.mac, .addresses = end.addresses, .mtu = end.mtu});
}

void NetworkDevice::add_routes(const Node& node) {
    if (!is_router_) return;
    for (const config::Route& route : std::get<Router>(node.kind).routes) {
        datapath_.topology().add_route(
            {.to = route.to, .out = no_port, .via = route.via, .origin = Route::Origin::configured});
    }
}

void NetworkDevice::receive(PortId in, std::span<Packet> frames, Instant now) noexcept {
    while (!frames.empty()) {
        const auto batch = frames.first(std::min(frames.size(), Datapath::max_batch));
        datapath_.from_port(in, batch, now);
        frames = frames.subspan(batch.size());
    }
    last_received_ = now;
    next_tick_ = std::min(next_tick_, now + tick_interval);
}

void NetworkDevice::tick(Instant now) noexcept {
    datapath_.tick(now);
    const Duration quiet = now - last_received_;
    if (quiet < busy_for) {
        next_tick_ = now + tick_interval;
    } else if (quiet < forgets_after_) {
        next_tick_ = now + quiet_interval;
    } else {
        next_tick_ = Instant::max();
    }
}

}  // namespace weft::lab
