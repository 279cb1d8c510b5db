// The control side's hold on a Datapath: time, keys, what other workers have learned, and what is reported.
// The packets' way is in datapath.cpp.
#include <algorithm>
#include <utility>

#include "overlay/datapath.h"
#include "overlay/tunnel.h"

namespace weft {

// ---- Time and keys -------------------------------------------------------------------------------

void Datapath::tick(Instant now) noexcept {
    now_ = now;
    topology_.expire_stations(now);
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

void Datapath::install(PeerId id, const Session& session, Instant now) {
    now_ = now;
    Peer* peer = topology_.peers().find(id);
    if (peer == nullptr) return;
    auto keys = std::make_unique<PeerSession>(PeerSession{.id = session.id,
                                                          .cipher = session.outbound.cipher,
                                                          .outbound = OutboundSa{session.outbound},
                                                          .inbound = {},
                                                          .established = session.established});
    for (const SaKeys& inbound : session.inbound) keys->inbound.emplace_back(inbound);
    topology_.peers().install(*peer, std::move(keys), session.initiator);
    peer->liveness.heard(now, false);
    if (!session.initiator) return;
    // The responder seals with the new keys only once it has seen them used.
    send_dummy(*peer);
    send_parked(*peer);
}

void Datapath::install_manual(PeerId id, const SaKeys& outbound, const SaKeys& inbound,
                              std::uint64_t first_sequence, std::uint64_t limit, Instant now) {
    now_ = now;
    Peer* peer = topology_.peers().find(id);
    if (peer == nullptr) return;
    auto keys =
        std::make_unique<PeerSession>(PeerSession{.cipher = outbound.cipher,
                                                  .outbound = OutboundSa{outbound, first_sequence, limit},
                                                  .inbound = {},
                                                  .established = now,
                                                  .manual = true});
    keys->inbound.emplace_back(inbound);
    topology_.peers().install(*peer, std::move(keys), true);
}

void Datapath::raise_limit(PeerId id, std::uint64_t limit) noexcept {
    Peer* peer = topology_.peers().find(id);
    if (peer != nullptr && peer->current) peer->current->outbound.raise_limit(limit);
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
    topology_.peers().promote_next(*peer);
    send_parked(*peer);
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
    if (peer.current) activity.packets_sent = peer.current->outbound.next_sequence() - 1;
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

Snapshot Datapath::snapshot(Instant now) const {
    Snapshot snapshot = topology_.snapshot(now);
    snapshot.underlay_drops = underlay_drops_;
    snapshot.pool_available = static_cast<std::uint32_t>(pool_.available());
    snapshot.pool_size = static_cast<std::uint32_t>(pool_.size());
    return snapshot;
}

}  // namespace weft
