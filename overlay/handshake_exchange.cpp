#include <algorithm>
#include <array>
#include <utility>

#include "overlay/handshake_engine.h"

namespace weft {

using Timing = HandshakeTiming;

std::optional<Drop> Handshaker::Engine::receive(ByteView datagram, const Endpoint& from, Instant now,
                                                WallTime wall) {
    const auto frame = ControlFrame::parse(datagram);
    if (!frame || !frame->is_for(own_mac1_)) return Drop::bad_control;
    return frame->type == ControlType::initiation ? on_initiation(*frame, from, now, wall)
                                                  : on_response(*frame, from, now);
}

std::optional<Drop> Handshaker::Engine::on_initiation(const ControlFrame& frame, const Endpoint& from,
                                                      Instant now, WallTime wall) {
    NoiseResponder noise{handshake_pattern, handshake_prologue(frame.header), identity_};
    const auto accepted = accept(noise, frame, now);
    if (!accepted) return Drop::handshake_failed;
    auto& peer = *accepted->peer;
    const bool moved = peer.endpoint != from;
    peer.endpoint = from;
    if (peer.prevails(identity_.public_key(), now)) {
        if (moved) {
            send_attempt(peer, now, wall);
            schedule(peer);
        }
        return std::nullopt;
    }
    answer(*accepted, noise, frame.sender, now);
    return std::nullopt;
}

// All that an initiation must pass, the cheap checks first.
std::optional<Handshaker::Engine::Accepted> Handshaker::Engine::accept(NoiseResponder& noise,
                                                                       const ControlFrame& frame,
                                                                       Instant now) {
    const auto caller = noise.read_static(frame.noise);
    if (!caller) return std::nullopt;
    const auto known = by_key_.find(*caller);
    if (known == by_key_.end()) return std::nullopt;
    auto& peer = *known->second;

    std::vector<std::uint8_t> bytes(frame.noise.size() - noise_message_1_overhead);
    if (!noise.read_payload(peer.remote, bytes)) return std::nullopt;
    auto payload = InitiationPayload::parse(bytes);
    if (!payload || payload->timestamp <= peer.newest_timestamp) return std::nullopt;
    if (peer.last_accepted && now - *peer.last_accepted < Timing::accept_interval) return std::nullopt;
    const auto cipher = choose(payload->ciphers);
    if (!cipher) return std::nullopt;
    peer.newest_timestamp = payload->timestamp;
    peer.last_accepted = now;
    return Accepted{&peer, std::move(*payload), *cipher};
}

void Handshaker::Engine::answer(const Accepted& accepted, NoiseResponder& noise, std::uint32_t receiver,
                                Instant now) {
    auto& peer = *accepted.peer;
    const ResponsePayload payload{accepted.cipher, take_spis()};
    const auto noise_size = noise_message_2_overhead + ResponsePayload::size;
    auto builder = ControlBuilder::response(random_number(*random_), receiver, noise_size);
    if (!noise.write_message(ephemeral(), payload.serialize(), builder.noise())) {
        spis_.release(payload.inbound.first);
        return;
    }
    actions_.emplace_back(Send{peer.id, peer.known_endpoint(), std::move(builder).finish(peer.mac1)});
    const auto keys = noise.split();
    install(peer,
            {.outbound = keys.responder_to_initiator,
             .inbound = keys.initiator_to_responder,
             .cipher = accepted.cipher,
             .own = payload.inbound,
             .peer = accepted.payload.inbound,
             .initiator = false},
            now);
    if (peer.effort) give_way(peer, now);
    schedule(peer);
}

std::optional<Drop> Handshaker::Engine::on_response(const ControlFrame& frame, const Endpoint& from,
                                                    Instant now) {
    const auto found = by_index_.find(frame.receiver);
    if (found == by_index_.end()) return Drop::handshake_failed;
    auto& peer = *found->second;
    auto& attempt = peer.current_attempt();

    std::array<std::uint8_t, ResponsePayload::size> bytes{};
    if (!attempt.noise.read_message(frame.noise, bytes)) return Drop::handshake_failed;
    const auto payload = ResponsePayload::parse(bytes);
    if (!payload || !offers(payload->cipher)) return Drop::handshake_failed;

    const auto keys = attempt.noise.split();
    const auto first_spi = std::exchange(attempt.first_spi, 0);
    end_effort(peer);
    peer.endpoint = from;
    install(peer,
            {.outbound = keys.initiator_to_responder,
             .inbound = keys.responder_to_initiator,
             .cipher = payload->cipher,
             .own = {options_.workers, first_spi},
             .peer = payload->inbound,
             .initiator = true},
            now);
    schedule(peer);
    return std::nullopt;
}

std::optional<Cipher> Handshaker::Engine::choose(const std::vector<Cipher>& offered) const {
    const auto rank = [](const std::vector<Cipher>& list, Cipher cipher) {
        return std::ranges::find(list, cipher) - list.begin();
    };
    // What is smaller is better; of equals the first one of the initiator's list is taken.
    const auto cost = [&](Cipher cipher) {
        return std::pair{std::max(rank(offered, cipher), rank(options_.ciphers, cipher)),
                         cipher != Cipher::chacha20_poly1305};
    };
    std::optional<Cipher> best;
    for (const auto cipher : offered)
        if (offers(cipher) && (!best || cost(cipher) < cost(*best))) best = cipher;
    return best;
}

bool Handshaker::Engine::offers(Cipher cipher) const {
    return std::ranges::find(options_.ciphers, cipher) != options_.ciphers.end();
}

}  // namespace weft
