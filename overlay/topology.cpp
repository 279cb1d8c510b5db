#include "overlay/topology.h"

#include <algorithm>
#include <iterator>

#include "overlay/mtu.h"

namespace weft {

void Topology::add_bridge(BridgeId id, const BridgeOptions& options) {
    if (bridges_.size() <= id.value()) bridges_.resize(id.value() + std::size_t{1});
    bridges_[id.value()] = std::make_unique<BridgeSlot>(
        BridgeSlot{id, options.vni, Bridge{options.limits, &generations_}, nullptr});
    if (!options.arp_suppress) return;
    bridges_[id.value()]->bindings = std::make_unique<BindingTable>(
        BindingTable::Limits{.entries = options.limits.entries,
                             .entries_per_port = options.limits.entries_per_port,
                             .aging = options.limits.aging});
}

void Topology::remove_bridge(BridgeId id) {
    bridges_[id.value()].reset();
    changed(id);
}

void Topology::change_bridge(BridgeId id, const std::optional<Vni>& vni, Duration aging) {
    BridgeSlot& changing = bridge(id);
    changing.vni = vni;
    changing.bridge.set_aging(aging);
    changed(id);
}

void Topology::change_vlans(PortId id, const VlanFilter& vlans) {
    const Port& device = port(id);
    BridgeSlot& home = bridge(device.bridge);
    BridgeMember member = *home.bridge.member(id);
    member.vlans = vlans;
    remove_member(home, id);
    add_member(device.bridge, member);
    bind_station(device, vlans);
    changed(id);
    changed(device.bridge);
}

// A guarded port's own addresses are known.
void Topology::bind_station(const Port& guarded, const VlanFilter& vlans) {
    BindingTable* bindings = bridge(guarded.bridge).bindings.get();
    const auto vlan = vlans.untagged_vlan();
    if (!guarded.guard || bindings == nullptr || !vlan) return;
    bindings->fix(*vlan, guarded.guard->addresses(), guarded.guard->mac(), guarded.id);
}

void Topology::add_frame_device(PortId id, BridgeId bridge_id, const FrameDeviceOptions& options) {
    Port& device = slot(id, Port::Kind::frame_device);
    device.bridge = bridge_id;
    add_member(bridge_id,
               {.port = id,
                .horizon_group = options.isolated ? BridgeMember::isolated_group : BridgeMember::no_group,
                .vlans = options.vlans});
    if (options.guard) device.guard = std::make_unique<const PortGuard>(*options.guard);
    bind_station(device, options.vlans);
    changed(bridge_id);
}

void Topology::add_datagram_device(PortId id, const std::vector<Prefix>& addresses, std::uint16_t mtu) {
    slot(id, Port::Kind::datagram_device);
    router_.add_port({id, RouterPort::Kind::device, mtu, addresses});
}

void Topology::add_leg(PortId id, BridgeId bridge_id, const LegOptions& options) {
    Port& leg = slot(id, Port::Kind::leg);
    leg.bridge = bridge_id;
    leg.gateway = std::make_unique<Gateway>(options.mac, options.addresses, Gateway::Limits{}, &generations_,
                                            Generations::of(id));
    add_member(bridge_id, {id, BridgeMember::no_group, VlanFilter::access(untagged), options.mac});
    changed(bridge_id);

    auto addresses = options.addresses;
    addresses.push_back({leg.gateway->link_local(), 64});
    if (BindingTable* bindings = bridge(bridge_id).bindings.get()) {
        for (const Prefix& own : addresses) bindings->fix(untagged, {&own.address, 1}, options.mac, id);
    }
    router_.add_port({id, RouterPort::Kind::leg, options.mtu, addresses});
}

void Topology::remove_port(PortId id) {
    Port& removed = port(id);
    if (removed.kind == Port::Kind::frame_device || removed.kind == Port::Kind::leg) {
        remove_member(bridge(removed.bridge), id);
    }
    if (removed.kind != Port::Kind::frame_device) router_.remove_port(id);
    removed.kind = Port::Kind::absent;
    removed.gateway.reset();
    removed.guard.reset();
    changed(id);
    changed_policy();
}

void Topology::add_peer(PeerId id, PortId port_id, const PeerOptions& options) {
    slot(port_id, Port::Kind::tunnel).peer = id;
    Peer peer;
    peer.id = id;
    peer.port = port_id;
    peer.encrypted = options.encrypted;
    peer.endpoint = options.endpoint;
    peer.liveness = Liveness{options.liveness};
    peer.probes_path = options.probes_path;
    if (options.path_mtu) {
        peer.path = PathSearch{*options.path_mtu};
        peer.room = PathMtu{*options.path_mtu, true}.room();  // until the endpoint is known
    }
    peer.replay_window = options.replay_window;
    const Peer& added = peers_.add(std::move(peer));

    stretch(added, options.bridges);
    router_.add_port({port_id, RouterPort::Kind::tunnel, options.routed_mtu, {}});
    route_to(added, options.prefixes);
    changed_policy();
}

void Topology::stretch(const Peer& peer, const std::vector<BridgeId>& bridges) {
    for (const BridgeId stretched : bridges) {
        if (bridge(stretched).bridge.member(peer.port) != nullptr) continue;
        add_member(stretched, {peer.port, BridgeMember::tunnel_group, VlanFilter::all()});
        changed(stretched);
    }
}

void Topology::route_to(const Peer& peer, const std::vector<Prefix>& prefixes) {
    for (const Prefix& prefix : prefixes) {
        peers_.allow_source(prefix, peer.id);
        router_.add_route({prefix, peer.port, std::nullopt, Route::Origin::peer});
    }
}

void Topology::change_peer(PeerId id, const Reach& from, const Reach& to) {
    const Peer* peer = peers_.find(id);
    if (peer == nullptr) return;
    for (auto& slot : bridges_) {
        if (!slot || std::ranges::find(to.bridges, slot->id) != to.bridges.end()) continue;
        if (slot->bridge.member(peer->port) == nullptr) continue;
        remove_member(*slot, peer->port);
        changed(slot->id);
    }
    stretch(*peer, to.bridges);
    for (const Prefix& prefix : from.prefixes) {
        if (std::ranges::find(to.prefixes, prefix) != to.prefixes.end()) continue;
        if (peers_.forbid_source(prefix, id)) router_.remove_route(prefix);
    }
    std::vector<Prefix> more;
    std::ranges::copy_if(to.prefixes, std::back_inserter(more), [&](const Prefix& prefix) {
        return std::ranges::find(from.prefixes, prefix) == from.prefixes.end();
    });
    route_to(*peer, more);
    changed(peer->port);
    changed_policy();
}

void Topology::remove_peer(PeerId id) {
    const Peer* peer = peers_.find(id);
    if (peer == nullptr) return;
    const PortId port_id = peer->port;
    peers_.remove(id);
    for (auto& slot : bridges_) {
        if (slot) remove_member(*slot, port_id);
    }
    router_.remove_port(port_id);
    port(port_id).kind = Port::Kind::absent;
    changed(port_id);
    changed_policy();
}

void Topology::add_route(const Route& route) {
    router_.add_route(route);
    changed_policy();
}

void Topology::remove_route(const Prefix& to) {
    router_.remove_route(to);
    changed_policy();
}

void Topology::set_mtu(PortId port, std::uint16_t mtu) noexcept {
    router_.set_mtu(port, mtu);
    changed(port);
}

Topology::BridgeSlot* Topology::bridge_of(Vni vni) noexcept {
    for (auto& slot : bridges_) {
        if (slot && slot->vni == vni) return slot.get();
    }
    return nullptr;
}

void Topology::expire_stations(Instant now) noexcept {
    for (auto& slot : bridges_) {
        if (!slot) continue;
        slot->bridge.expire(now);
        if (slot->bindings) slot->bindings->expire(now);
    }
}

Snapshot Topology::snapshot(Instant now) const {
    Snapshot snapshot;
    TrafficCounters& total = snapshot.workers.emplace_back();
    for (const Port& port : ports_) {
        if (port.kind == Port::Kind::absent) continue;
        snapshot.ports.push_back({port.id, port.traffic, port.drops});
        if (!port.gateway) {
            total.rx_packets += port.traffic.rx_packets;
            total.rx_bytes += port.traffic.rx_bytes;
            total.tx_packets += port.traffic.tx_packets;
            total.tx_bytes += port.traffic.tx_bytes;
            continue;
        }
        for (const auto& neighbor : port.gateway->neighbors()) {
            snapshot.neighbors.push_back({port.id, neighbor.address, neighbor.mac, neighbor.reachable});
        }
    }
    for (const auto& peer : peers_.peers()) {
        if (!peer) continue;
        PeerSnapshot& shown = snapshot.peers.emplace_back();
        shown.peer = peer->id;
        shown.port = peer->port;
        shown.endpoint = peer->endpoint;
        shown.workers.push_back(ports_[peer->port.value()].traffic);
        if (const auto heard = peer->liveness.last_heard()) shown.last_heard = now - *heard;
        if (peer->path.started()) shown.path_mtu = peer->path.limit();
        if (!peer->current || !peer->current->alive(now)) continue;
        shown.cipher = peer->current->cipher;
        shown.session_age = now - peer->current->established;
        shown.sealed_packets = peer->current->outbound.next_sequence() - 1;
    }
    for (const auto& slot : bridges_) {
        if (!slot) continue;
        for (const MacEntry& entry : slot->bridge.stations().entries()) {
            snapshot.stations.push_back({slot->id, entry, now - entry.last_seen});
        }
    }
    router_.routes().for_each([&](const Prefix&, const Route& route) { snapshot.routes.push_back(route); });
    return snapshot;
}

void Topology::add_member(BridgeId id, const BridgeMember& member) {
    BridgeSlot& slot = bridge(id);
    slot.bridge.add_member(member);
    if (slot.bindings) slot.bindings->add_port(member.port);
}

void Topology::remove_member(BridgeSlot& slot, PortId port) {
    slot.bridge.remove_member(port);
    if (slot.bindings) slot.bindings->forget_port(port);
}

Port& Topology::slot(PortId id, Port::Kind kind) {
    while (ports_.size() <= id.value()) {
        const PortId next{static_cast<std::uint16_t>(ports_.size())};
        ports_.emplace_back().id = next;
    }
    Port& added = ports_[id.value()];
    added.kind = kind;
    added.traffic = {};
    added.drops = {};
    changed(id);
    return added;
}

}  // namespace weft
