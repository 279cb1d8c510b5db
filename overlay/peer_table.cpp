#include "overlay/peer_table.h"

#include <utility>

namespace weft {

Peer& PeerTable::add(Peer peer) {
    const std::size_t index = peer.id.value();
    if (peers_.size() <= index) peers_.resize(index + 1);
    peers_[index] = std::make_unique<Peer>(std::move(peer));
    Peer& added = *peers_[index];
    if (added.endpoint) set_endpoint(added, *added.endpoint);
    return added;
}

void PeerTable::remove(PeerId id) {
    Peer* peer = find(id);
    if (peer == nullptr) return;
    retire(*peer);
    forget_address(*peer);
    std::vector<Prefix> prefixes;
    sources_.for_each([&](const Prefix& prefix, PeerId owner) {
        if (owner == id) prefixes.push_back(prefix);
    });
    for (const auto& prefix : prefixes) sources_.erase(prefix);
    peers_[id.value()].reset();
}

Peer* PeerTable::find(PeerId id) noexcept {
    return id.value() < peers_.size() ? peers_[id.value()].get() : nullptr;
}

PeerTable::Found PeerTable::find(Spi spi) noexcept {
    const auto found = by_spi_.find(spi.value());
    return found == by_spi_.end() ? Found{} : found->second;
}

Peer* PeerTable::find_plain(const IpAddress& address) noexcept {
    const auto found = plain_by_address_.find(address);
    return found == plain_by_address_.end() ? nullptr : found->second;
}

void PeerTable::set_endpoint(Peer& peer, const Endpoint& endpoint) {
    if (!peer.encrypted) {
        forget_address(peer);
        plain_by_address_[endpoint.address] = &peer;
    }
    peer.endpoint = endpoint;
}

void PeerTable::install(Peer& peer, std::unique_ptr<PeerSession> session, bool current) {
    for (InboundSa& sa : session->inbound) by_spi_[sa.spi()] = {&peer, session.get(), &sa};
    if (current) {
        forget(peer.previous);
        forget(peer.next);
        supersede(peer, session);
    } else {
        forget(peer.next);
        peer.next = std::move(session);
    }
}

void PeerTable::promote_next(Peer& peer) noexcept {
    forget(peer.previous);
    supersede(peer, peer.next);
}

void PeerTable::supersede(Peer& peer, std::unique_ptr<PeerSession>& by) noexcept {
    peer.previous = std::exchange(peer.current, std::move(by));
    if (peer.previous) peer.previous->outbound.wipe();
}

void PeerTable::retire(Peer& peer) noexcept {
    forget(peer.current);
    forget(peer.previous);
    forget(peer.next);
}

void PeerTable::expire(Peer& peer, Instant now) noexcept {
    for (auto* session : {&peer.current, &peer.previous, &peer.next}) {
        if (*session && !(*session)->alive(now)) forget(*session);
    }
}

// A newer session may have the same SPI: manual keys that were installed anew.
void PeerTable::forget(std::unique_ptr<PeerSession>& session) noexcept {
    if (!session) return;
    ++version_;
    for (const InboundSa& sa : session->inbound) {
        const auto found = by_spi_.find(sa.spi());
        if (found != by_spi_.end() && found->second.session == session.get()) by_spi_.erase(found);
    }
    session.reset();
}

// Another plain peer may be at this address by now: two of them have changed places, one after the other.
void PeerTable::forget_address(const Peer& peer) noexcept {
    if (peer.encrypted || !peer.endpoint) return;
    const auto found = plain_by_address_.find(peer.endpoint->address);
    if (found != plain_by_address_.end() && found->second == &peer) plain_by_address_.erase(found);
}

void PeerTable::allow_source(const Prefix& prefix, PeerId id) {
    sources_.insert(prefix, id);
}

bool PeerTable::forbid_source(const Prefix& prefix, PeerId id) {
    const PeerId* owner = sources_.find(prefix);
    return owner != nullptr && *owner == id && sources_.erase(prefix);
}

bool PeerTable::may_send_from(const Peer& peer, const IpAddress& source) const noexcept {
    const PeerId* owner = sources_.lookup(source);
    return owner != nullptr && *owner == peer.id;
}

}  // namespace weft
