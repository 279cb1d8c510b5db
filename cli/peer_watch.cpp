#include "cli/peer_watch.h"

#include "overlay/liveness.h"

namespace weft {

PeerWatch::PeerWatch(std::function<void(const NodeEvent&)> publish) : publish_(std::move(publish)) {}

PeerWatch::Watched* PeerWatch::find(PeerId id) {
    const auto found = peers_.find(id);
    return found == peers_.end() ? nullptr : &found->second;
}

void PeerWatch::add(PeerId id, std::string name) {
    peers_.insert_or_assign(id, Watched{.name = std::move(name)});
}

void PeerWatch::remove(PeerId id) {
    const auto found = peers_.find(id);
    if (found == peers_.end()) return;
    if (const auto held = found->second.held_until) held_.erase({*held, id});
    if (found->second.up) publish_(event::PeerDown{found->second.name, event::PeerDown::Reason::removed});
    peers_.erase(found);
}

void PeerWatch::agreed(PeerId id, Cipher cipher, const Endpoint& endpoint, bool moves, Instant now) {
    Watched* const peer = find(id);
    if (peer == nullptr) return;
    if (moves) peer->endpoint = endpoint;
    const Endpoint place = peer->endpoint.value_or(endpoint);
    peer->endpoint = place;
    peer->cipher = cipher;
    ++peer->handshakes;
    if (!std::exchange(peer->up, true)) {
        peer->told_endpoint = place;
        publish_(event::PeerUp{peer->name, place});
    }
    heard(*peer);
    tell(id, *peer, now);
}

void PeerWatch::resumed(PeerId id, Cipher cipher, const Endpoint& endpoint, std::uint64_t handshakes) {
    Watched* const peer = find(id);
    if (peer == nullptr) return;
    peer->up = true;
    peer->endpoint = peer->told_endpoint = endpoint;
    peer->cipher = cipher;
    peer->handshakes = peer->told_handshakes = handshakes;
}

void PeerWatch::ended(PeerId id) {
    using Reason = event::PeerDown::Reason;
    Watched* const peer = find(id);
    if (peer == nullptr) return;
    const bool was_silent = std::exchange(peer->silent, false);
    if (std::exchange(peer->up, false)) {
        publish_(event::PeerDown{peer->name, was_silent ? Reason::no_answer : Reason::session_over});
    } else {
        publish_(event::HandshakeFailed{peer->name});
    }
}

void PeerWatch::reported(PeerId id, const PeerActivity& activity, Instant now) {
    Watched* const peer = find(id);
    if (peer == nullptr) return;
    if (activity.heard) {
        peer->heard = Heard{now, activity.worker};
        heard(*peer);
        return;
    }
    if (!activity.silent || !peer->up) return;
    const bool contradicted = peer->heard && peer->heard->worker != activity.worker &&
                              now - peer->heard->at < Liveness::Options{}.silent_after;
    if (contradicted || std::exchange(peer->silent, true)) return;
    publish_(event::PeerSilent{peer->name});
}

void PeerWatch::moved(PeerId id, const Endpoint& endpoint, Instant now) {
    Watched* const peer = find(id);
    if (peer == nullptr) return;
    peer->endpoint = endpoint;
    tell(id, *peer, now);
}

void PeerWatch::path_measured(PeerId id, std::uint16_t mtu, Instant now) {
    Watched* const peer = find(id);
    if (peer == nullptr) return;
    peer->path_mtu = mtu;
    tell(id, *peer, now);
}

void PeerWatch::heard(Watched& peer) {
    if (std::exchange(peer.silent, false)) publish_(event::PeerHeard{peer.name});
}

void PeerWatch::tell(PeerId id, Watched& peer, Instant now) {
    if (peer.endpoint == peer.told_endpoint && peer.handshakes == peer.told_handshakes &&
        peer.path_mtu == peer.told_path_mtu)
        return;
    if (peer.held_until && now < *peer.held_until) {
        held_.emplace(*peer.held_until, id);
        return;
    }
    peer.held_until = now + hold;
    if (const auto endpoint = peer.endpoint; endpoint && endpoint != peer.told_endpoint)
        publish_(event::EndpointMoved{peer.name, peer.told_endpoint, *endpoint});
    if (peer.handshakes != peer.told_handshakes)
        publish_(event::SessionRenewed{peer.name, peer.cipher, peer.handshakes});
    if (const auto mtu = peer.path_mtu; mtu && mtu != peer.told_path_mtu)
        publish_(event::PathMtuChanged{peer.name, peer.told_path_mtu, *mtu});
    peer.told_path_mtu = peer.path_mtu;
    peer.told_endpoint = peer.endpoint;
    peer.told_handshakes = peer.handshakes;
}

void PeerWatch::tick(Instant now) {
    while (!held_.empty() && held_.begin()->first <= now) {
        const PeerId id = held_.begin()->second;
        held_.erase(held_.begin());
        tell(id, peers_.at(id), now);
    }
}

std::optional<Instant> PeerWatch::next_deadline() const {
    return held_.empty() ? std::nullopt : std::optional{held_.begin()->first};
}

bool PeerWatch::up(PeerId id) const {
    const auto found = peers_.find(id);
    return found != peers_.end() && found->second.up;
}

bool PeerWatch::heard_since(PeerId id, Instant since) const {
    const auto found = peers_.find(id);
    if (found == peers_.end()) return false;
    const auto heard = found->second.heard;
    return heard && heard->at >= since;
}

bool PeerWatch::silent(PeerId id) const {
    const auto found = peers_.find(id);
    return found != peers_.end() && found->second.silent;
}

}  // namespace weft
