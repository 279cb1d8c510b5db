#include "overlay/handshake.h"

#include <utility>

#include "overlay/handshake_engine.h"

namespace weft {

Handshaker::Handshaker(const PrivateKey& identity, Random& random, HandshakerOptions options)
    : engine_(std::make_unique<Engine>(identity, random, std::move(options))) {}

Handshaker::~Handshaker() = default;
Handshaker::Handshaker(Handshaker&&) noexcept = default;
Handshaker& Handshaker::operator=(Handshaker&&) noexcept = default;

void Handshaker::add_peer(PeerId peer, PeerOptions options) {
    engine_->add_peer(peer, std::move(options));
}

void Handshaker::remove_peer(PeerId peer) {
    engine_->remove_peer(peer);
}

void Handshaker::set_endpoint(PeerId peer, const Endpoint& endpoint) {
    engine_->set_endpoint(peer, endpoint);
}

void Handshaker::resume(PeerId peer, const Resumed& sessions) {
    engine_->resume(peer, sessions);
}

std::optional<Drop> Handshaker::receive(std::span<const std::uint8_t> datagram, const Endpoint& from,
                                        Instant now, WallTime wall) noexcept {
    return engine_->receive(datagram, from, now, wall);
}

void Handshaker::report(PeerId peer, const PeerActivity& activity, Instant now, WallTime wall) {
    engine_->report(peer, activity, now, wall);
}

void Handshaker::initiate(PeerId peer, Instant now, WallTime wall) {
    engine_->initiate(peer, now, wall);
}

void Handshaker::tick(Instant now, WallTime wall) {
    engine_->tick(now, wall);
}

std::optional<Instant> Handshaker::next_deadline() const {
    return engine_->next_deadline();
}

std::vector<Handshaker::Action> Handshaker::take_actions() {
    return engine_->take_actions();
}

Handshaker::Status Handshaker::status(PeerId peer) const {
    return engine_->status(peer);
}

}  // namespace weft
