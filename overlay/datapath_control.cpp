// The control side's hold on a Datapath: time, keys, what other workers have learned, and what is reported.
// The packets' way is in datapath.cpp.
#include <algorithm>
#include <utility>

#include "overlay/datapath.h"
#include "overlay/tunnel.h"
#include "vswitch/headers.h"

namespace weft {

namespace {

bool has_addresses(std::span<const std::uint8_t> frame, const MacAddress& destination,
                   const MacAddress& source, std::uint16_t type) noexcept {
    const auto* ethernet = view<EthernetHeader>(frame);
    return ethernet != nullptr && ethernet->destination == destination && ethernet->source == source &&
           ethernet->type.value() == type;
}

// Whether a packet has, behind its first `transport` bytes, what a flow is known by.
bool is_of(const FlowKey& key, std::span<const std::uint8_t> frame, std::size_t transport) noexcept {
    if (key.source.is_v6()) {
        const auto* ip = view<Ipv6Header>(frame, transport);
        if (ip == nullptr || IpAddress::v6(ip->source) != key.source ||
            IpAddress::v6(ip->destination) != key.destination || ip->next_header != key.protocol)
            return false;
        transport += sizeof *ip;
    } else {
        const auto* ip = view<Ipv4Header>(frame, transport);
        if (ip == nullptr || IpAddress::v4(ip->source) != key.source ||
            IpAddress::v4(ip->destination) != key.destination || ip->protocol != key.protocol)
            return false;
        transport += ip->header_size();
    }
    const auto* ports = view<UdpHeader>(frame, transport);  // TCP has them in the same place
    return ports != nullptr && ports->source_port.value() == key.source_port &&
           ports->destination_port.value() == key.destination_port;
}

// Whether a frame begins with it.
bool is_of(const FlowKey& key, std::span<const std::uint8_t> frame) noexcept {
    return has_addresses(frame, key.destination_mac, key.source_mac, key.ether_type) &&
           is_of(key, frame, sizeof(EthernetHeader));
}

// The same for a routed packet, as it went on.
bool is_on_passage(const FlowTable::Passage& passage, const FlowKey& key,
                   const Datapath::CarriedSample& sample) noexcept {
    if (sample.in != passage.from || sample.out != passage.to) return false;
    if (sample.vni && sample.vni->value() != passage.vni_from && sample.vni->value() != passage.vni_to)
        return false;
    const bool has_new_addresses = passage.rewrite != FlowOffload::Rewrite{};
    if (has_new_addresses &&
        !has_addresses(sample.bytes, passage.rewrite.destination, passage.rewrite.source, key.ether_type))
        return false;
    return is_of(key, sample.bytes, sample.is_frame ? sizeof(EthernetHeader) : 0);
}

}  // namespace

// ---- Time and keys -------------------------------------------------------------------------------

void Datapath::tick(Instant now) noexcept {
    now_ = now;
    topology_.expire_stations(now);
    take_carried();
    for (const auto& peer : topology_.peers().peers()) {
        if (!peer || !peer->encrypted) continue;
        topology_.peers().expire(*peer, now);
        if (!peer->parked.empty() && now - peer->parked_since > Peer::max_parked_for) drop_parked(*peer);
        peer->session_wanted = false;
        if (!peer->parked.empty()) want_session(*peer);
        if (peer->liveness.wants_dummy(now)) send_dummy(*peer);
        probe_path(*peer);
        if (peer->sent || peer->heard || peer->liveness.silent(now)) report(*peer);
    }
    expire_fragments();
    for (Port& leg : topology_.ports()) {
        if (leg.kind != Port::Kind::leg) continue;
        leg.gateway->tick(now, leg_frames_, unresolved_);
        frames_from_leg(leg, leg_frames_);
        for (Packet& datagram : unresolved_) {
            const RouteVerdict verdict = topology_.router().unreachable(datagram, leg.id, now);
            leg.drops.add(Drop::neighbor_unresolved);
            deliver_datagram(leg.id, verdict, std::move(datagram));
        }
        unresolved_.clear();
    }
    send_bound();
}

// Flows past this datapath count for its ports, and the stations that send them are still there, if they have
// not moved since. What is routed is in use at the leg where it goes out.
void Datapath::take_carried() noexcept {
    hops_in_use_.clear();
    for (const FlowTable::Carried& carried : flows_.sweep(topology_.generations(), now_)) {
        const auto count_in = [&](PortId port) {
            topology_.port(port).traffic.rx_packets += carried.packets;
            topology_.port(port).traffic.rx_bytes += carried.bytes;
        };
        const auto count_out = [&](PortId port) {
            topology_.port(port).traffic.tx_packets += carried.packets;
            topology_.port(port).traffic.tx_bytes += carried.bytes;
        };
        const PortId from = carried.passage ? carried.passage->from : carried.in;
        const PortId to = carried.passage ? carried.passage->to : carried.out;
        count_in(carried.in);
        count_out(carried.out);
        if (from != carried.in) count_in(from);
        if (to != carried.out) count_out(to);
        const BridgeId bridge = carried.passage ? topology_.port(carried.in).bridge : carried.bridge;
        const MacAddress& station = carried.passage ? carried.passage->station : carried.key.source_mac;
        Topology::BridgeSlot* slot = station.is_zero() ? nullptr : topology_.find_bridge(bridge);
        if (slot != nullptr && slot->bridge.refresh(carried.key.vlan, station, from, now_))
            announce(StationLearned{slot->id, carried.key.vlan, station, from});
        if (carried.passage && topology_.port(carried.out).kind == Port::Kind::leg) {
            if (const auto hop = topology_.router().next_hop(carried.key.destination))
                hops_in_use_.push_back({carried.out, *hop});
        }
        if (topology_.port(from).kind != Port::Kind::tunnel) continue;
        if (Peer* peer = topology_.peers().find(topology_.port(from).peer)) peer->liveness.heard(now_, true);
    }
    for (const Hop& hop : hops_in_use_) {
        Port& leg = topology_.port(hop.leg);
        if (leg.kind != Port::Kind::leg) continue;
        leg.gateway->in_use(hop.address, pool_, now_, leg_frames_);
        frames_from_leg(leg, leg_frames_);
    }
}

void Datapath::offload_to(FlowOffload* offload, const FlowTable::OffloadPolicy& policy) noexcept {
    flows_.offload_to(offload, policy);
}

// The bytes show that it was this flow's packet: they are what the flow is known by, where they have to be.
bool Datapath::check(const CarriedSample& sample, Instant now) noexcept {
    const auto flow = flows_.offloaded(sample.slot, sample.tag, topology_.generations());
    if (!flow) return true;  // taken back meanwhile
    const bool is_right = flow->passage ? is_on_passage(*flow->passage, flow->key, sample)
                                        : is_bridged_right(*flow, sample, now);
    if (!is_right) flows_.withdraw_slot(sample.slot);
    return is_right;
}

bool Datapath::is_bridged_right(const FlowTable::Carried& flow, const CarriedSample& sample,
                                Instant now) noexcept {
    const Topology::BridgeSlot* slot = topology_.find_bridge(flow.bridge);
    if (slot == nullptr) return false;
    const Verdict verdict = slot->bridge.would_forward(flow.key, sample.in, now);
    return sample.in == flow.in && (!sample.vni || sample.vni == slot->vni) &&
           is_of(flow.key, sample.bytes) && verdict.action == Verdict::Action::forward &&
           verdict.out == sample.out;
}

void Datapath::install(PeerId id, const Session& session, Instant now) {
    now_ = now;
    Peer* peer = topology_.peers().find(id);
    if (peer == nullptr) return;
    auto keys = std::make_unique<PeerSession>(PeerSession{.id = session.id,
                                                          .cipher = session.outbound.cipher,
                                                          .outbound = OutboundSa{session.outbound},
                                                          .inbound = {},
                                                          .established = session.established,
                                                          .initiator = session.initiator});
    for (const SaKeys& inbound : session.inbound) keys->inbound.emplace_back(inbound, peer->replay_window);
    topology_.peers().install(*peer, std::move(keys), false);
    peer->liveness.heard(now, false);
    if (session.initiator && !announces_) promote_next(*peer);
}

void Datapath::use(PeerId id, std::uint32_t session, Instant now) noexcept {
    now_ = now;
    Peer* peer = topology_.peers().find(id);
    if (peer == nullptr || !peer->next || peer->next->id != session) return;
    emit(SessionConfirmed{id, session});
    promote_next(*peer);
}

// The other side waits for a packet with the new keys: the responder seals with them only then, and the
// initiator forgets the old ones.
void Datapath::promote_next(Peer& peer) noexcept {
    topology_.peers().promote_next(peer);
    send_dummy(peer);
    send_parked(peer);
}

// What such a key has sealed in bytes outlives no restart, and no other key would take its place: its packets
// are all that is limited.
void Datapath::install_manual(PeerId id, const ManualSession& session, Instant now) {
    now_ = now;
    Peer* peer = topology_.peers().find(id);
    if (peer == nullptr) return;
    auto keys = std::make_unique<PeerSession>(
        PeerSession{.cipher = session.outbound.cipher,
                    .outbound = OutboundSa{session.outbound, session.first_sequence, session.limit},
                    .inbound = {},
                    .established = now,
                    .ends = Instant::max(),
                    .manual = true});
    keys->inbound.emplace_back(session.inbound, peer->replay_window, session.highest_received);
    topology_.peers().install(*peer, std::move(keys), true);
}

void Datapath::raise_limit(PeerId id, std::uint64_t limit) noexcept {
    Peer* peer = topology_.peers().find(id);
    if (peer == nullptr || !peer->current) return;
    peer->current->outbound.raise_limit(limit);
    send_parked(*peer);
}

std::optional<std::uint64_t> Datapath::highest_received(PeerId id) noexcept {
    const Peer* peer = topology_.peers().find(id);
    if (peer == nullptr || !peer->current || peer->current->inbound.empty()) return std::nullopt;
    return peer->current->inbound.front().window().highest();
}

void Datapath::retire(PeerId id) noexcept {
    Peer* peer = topology_.peers().find(id);
    if (peer == nullptr) return;
    topology_.peers().retire(*peer);
    peer->path.stop();
    fit_to_path(*peer);
    drop_parked(*peer);
}

void Datapath::set_endpoint(PeerId id, const Endpoint& endpoint) {
    Peer* peer = topology_.peers().find(id);
    if (peer == nullptr || peer->endpoint == endpoint) return;
    topology_.peers().set_endpoint(*peer, endpoint);
    if (!peer->encrypted) reconsider(peer->port);
    peer->path.moved(endpoint.address.is_v6());
    fit_to_path(*peer);
}

// ---- From other workers --------------------------------------------------------------------------

void Datapath::tell(const PeerMoved& moved, Instant) {
    set_endpoint(moved.peer, moved.endpoint);
}

void Datapath::tell(const SessionConfirmed& confirmed, Instant now) noexcept {
    now_ = now;
    Peer* peer = topology_.peers().find(confirmed.peer);
    if (peer == nullptr || !peer->next || peer->next->id != confirmed.session) return;
    promote_next(*peer);
}

void Datapath::tell(const StationLearned& learned, Instant now) noexcept {
    if (Topology::BridgeSlot* slot = topology_.find_bridge(learned.bridge))
        slot->bridge.learn(learned.vlan, learned.mac, learned.port, now);
}

void Datapath::tell(const NeighborLearned& learned, Instant now) noexcept {
    now_ = now;
    Port& leg = topology_.port(learned.leg);
    if (leg.kind != Port::Kind::leg) return;
    leg.gateway->learn(learned.news, now, leg_frames_);
    frames_from_leg(leg, leg_frames_);
    send_bound();
}

void Datapath::remove_port(PortId id) noexcept {
    topology_.remove_port(id);
    if (id.value() < port_outboxes_.size()) port_outboxes_[id.value()].clear();
    std::erase(ports_with_output_, id);
}

void Datapath::send_control(const Endpoint& to, std::span<const std::uint8_t> datagram) noexcept {
    Outbox::Place alone;
    const auto out = underlay_outbox_.append(pool_, alone, {.remote = to}, datagram.size());
    if (out.empty()) return underlay_drops_.add(Drop::no_buffer);
    std::ranges::copy(datagram, out.begin());
}

// ---- To the control side --------------------------------------------------------------------------

void Datapath::report(Peer& peer) noexcept {
    PeerActivity activity;
    activity.session_wanted = peer.session_wanted;
    activity.sent = std::exchange(peer.sent, false);
    activity.heard = std::exchange(peer.heard, false);
    activity.silent = peer.liveness.silent(now_);
    if (peer.current) {
        activity.running_out = peer.current->outbound.running_out();
        activity.packets_sent = peer.current->outbound.next_sequence() - 1;
        activity.highest_received = highest_received(peer.id).value_or(0);
    }
    emit(PeerReport{peer.id, activity});
}

// Never takes the room of an event that somebody waits for.
void Datapath::announce(const Event& learned) noexcept {
    if (announces_ && events_.size() < max_events / 2 && announcements_.take(now_)) emit(learned);
}

bool Datapath::emit(const Event& event) noexcept {
    if (events_.size() >= max_events) return false;
    events_.push_back(event);
    return true;
}

Snapshot Datapath::snapshot(Instant now, std::size_t flows) const {
    Snapshot snapshot = topology_.snapshot(now);
    snapshot.flow_table = {.flows = flows_.size(), .limit = flows_.limit(), .evicted = flows_.evicted()};
    const FlowTable::OffloadCounts& offload = flows_.offload_counts();
    snapshot.offload = {.flows = offload.flows,
                        .inserted = offload.inserted,
                        .withdrawn = offload.withdrawn,
                        .put_off = offload.put_off};
    for (const Flow& flow : flows_.busiest(flows))
        snapshot.flows.push_back({flow, now - flow.first_seen, now - flow.last_seen});
    snapshot.denied = denied_.snapshot();
    snapshot.underlay_drops = underlay_drops_;
    snapshot.pool_available = static_cast<std::uint32_t>(pool_.available());
    snapshot.pool_size = static_cast<std::uint32_t>(pool_.size());
    return snapshot;
}

}  // namespace weft
