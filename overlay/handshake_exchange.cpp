#include <algorithm>
#include <array>
#include <utility>

#include "overlay/handshake_engine.h"

namespace weft {

using Timing = HandshakeTiming;

std::optional<Drop> Handshaker::Engine::receive(ByteView datagram, const Endpoint& from, Instant now,
                                                WallTime wall) {
    if (const auto cookie = CookieReply::parse(datagram)) return on_cookie(*cookie, now, wall);
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
    peer.called_from = from;
    if (peer.prevails(identity_.public_key(), now)) {
        if (peer.current_attempt().to != from) {
            send_attempt(peer, from, now, wall);
            schedule(peer);
        }
        return std::nullopt;
    }
    answer(*accepted, noise, frame.sender, from, now);
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
    actions_.emplace_back(Remember{peer.remote.static_key, payload->timestamp});
    return Accepted{&peer, std::move(*payload), *cipher};
}

void Handshaker::Engine::answer(const Accepted& accepted, NoiseResponder& noise, std::uint32_t receiver,
                                const Endpoint& from, Instant now) {
    auto& peer = *accepted.peer;
    const ResponsePayload payload{accepted.cipher, take_spis()};
    const auto noise_size = noise_message_2_overhead + ResponsePayload::size;
    drop_answer(peer);
    peer.answer.index = indices_.take(*random_);
    by_index_.emplace(peer.answer.index, &peer);
    auto builder = ControlBuilder::response(peer.answer.index, receiver, noise_size);
    if (!noise.write_message(ephemeral(), payload.serialize(), builder.noise())) {
        spis_.release(payload.inbound.first);
        return;
    }
    auto [datagram, mac1] = std::move(builder).finish(peer.mac1, peer.live_cookie(now));
    peer.answer.mac1 = mac1;
    actions_.emplace_back(Send{peer.id, from, std::move(datagram)});
    const auto keys = noise.split();
    install(peer,
            {.outbound = keys.responder_to_initiator,
             .inbound = keys.initiator_to_responder,
             .cipher = accepted.cipher,
             .own = payload.inbound,
             .peer = accepted.payload.inbound,
             .initiator = false},
            from, now);
    if (peer.effort) give_way(peer, now);
    schedule(peer);
}

std::optional<Drop> Handshaker::Engine::on_response(const ControlFrame& frame, const Endpoint& from,
                                                    Instant now) {
    const auto found = by_index_.find(frame.receiver);
    if (found == by_index_.end()) return Drop::handshake_failed;
    auto& peer = *found->second;
    if (frame.receiver == peer.answer.index) return Drop::handshake_failed;
    auto& attempt = peer.current_attempt();

    std::array<std::uint8_t, ResponsePayload::size> bytes{};
    if (!attempt.noise.read_message(frame.noise, bytes)) return Drop::handshake_failed;
    const auto payload = ResponsePayload::parse(bytes);
    if (!payload || !offers(payload->cipher)) return Drop::handshake_failed;

    const auto keys = attempt.noise.split();
    const auto first_spi = std::exchange(attempt.first_spi, 0);
    end_effort(peer);
    peer.called_from.reset();
    install(peer,
            {.outbound = keys.initiator_to_responder,
             .inbound = keys.responder_to_initiator,
             .cipher = payload->cipher,
             .own = {options_.workers, first_spi},
             .peer = payload->inbound,
             .initiator = true},
            from, now);
    schedule(peer);
    return std::nullopt;
}

// A cookie that does not belong to the message that this side waits for an answer to changes nothing.
std::optional<Drop> Handshaker::Engine::on_cookie(const CookieReply& reply, Instant now, WallTime wall) {
    const auto found = by_index_.find(reply.receiver);
    if (found == by_index_.end()) return Drop::handshake_failed;
    auto& peer = *found->second;
    const bool of_answer = reply.receiver == peer.answer.index;
    const auto cookie =
        reply.open(peer.cookie_key, of_answer ? peer.answer.mac1 : peer.current_attempt().mac1);
    if (!cookie) return Drop::handshake_failed;
    peer.cookie.emplace(HeldCookie{*cookie, now + cookie_lifetime});
    if (of_answer || peer.current_attempt().proved || peer.current_effort().gave_way) return std::nullopt;
    send_initiation(peer, Endpoint{peer.current_attempt().to}, now, wall);
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
