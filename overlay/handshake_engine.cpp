#include "overlay/handshake_engine.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>
#include <stdexcept>
#include <utility>

#include "overlay/session_keys.h"

namespace weft {

using Timing = HandshakeTiming;

Handshaker::Engine::Engine(const PrivateKey& identity, Random& random, HandshakerOptions options)
    : identity_(identity),
      own_mac1_(mac1_key(identity_.public_key())),
      random_(&random),
      options_(std::move(options)) {
    if (options_.ciphers.empty() || options_.ciphers.size() > max_offered_ciphers) {
        throw std::runtime_error(
            "starting handshakes: the list of ciphers has to name between one and eight");
    }
    if (options_.workers == 0 || options_.workers > max_workers)
        throw std::runtime_error("starting handshakes: a node has between 1 and 16 workers");
    if (options_.newest_timestamp != Timestamp{}) last_timestamp_ = options_.newest_timestamp.wall();
    // Whatever OpenSSL lacks is to be found missing now, not when a datagram arrives.
    (void)Aead{Cipher::chacha20_poly1305, Secret<32>{}.bytes(), Aead::Direction::seal, AeadBackend::openssl};
}

HandshakePeer* Handshaker::Engine::find(PeerId id) {
    const auto found = peers_.find(id);
    return found == peers_.end() ? nullptr : &found->second;
}

void Handshaker::Engine::add_peer(PeerId id, PeerOptions options) {
    const auto name = options.public_key.to_string();
    if (options.public_key == identity_.public_key()) {
        throw std::runtime_error("adding peer " + name +
                                 ": this is the node's own public key; give the peer's");
    }
    const auto holder = by_key_.find(options.public_key);
    if (holder != by_key_.end() && holder->second->id != id) {
        throw std::runtime_error("adding peer " + name +
                                 ": another peer has this public key; each needs its own");
    }
    auto remote = NoiseRemote::make(identity_, options.public_key, options.preshared_key);
    if (!remote)
        throw std::runtime_error("adding peer " + name + ": no usable X25519 key; make one with weft genkey");

    auto newest_timestamp = options.newest_timestamp;
    if (holder != by_key_.end())
        newest_timestamp = std::max(newest_timestamp, holder->second->newest_timestamp);
    remove_peer(id);
    auto& peer = peers_[id];
    peer.id = id;
    peer.remote = std::move(*remote);
    peer.mac1 = mac1_key(options.public_key);
    peer.cookie_key = cookie_key(options.public_key);
    peer.endpoint = options.endpoint;
    peer.newest_timestamp = newest_timestamp;
    by_key_.emplace(options.public_key, &peer);
}

void Handshaker::Engine::remove_peer(PeerId id) {
    auto* const peer = find(id);
    if (peer == nullptr) return;
    end_effort(*peer);
    drop_answer(*peer);
    for (const auto spi : peer->inbound_spis) spis_.release(spi);
    peer->session.reset();
    schedule(*peer);
    by_key_.erase(peer->remote.static_key);
    peers_.erase(id);
}

void Handshaker::Engine::set_endpoint(PeerId id, const Endpoint& endpoint) {
    if (auto* const peer = find(id)) peer->endpoint = endpoint;
}

void Handshaker::Engine::initiate(PeerId id, Instant now, WallTime wall) {
    auto* const peer = find(id);
    if (peer == nullptr || peer->effort || !peer->endpoint) return;
    start_effort(*peer, now, wall);
    schedule(*peer);
}

void Handshaker::Engine::report(PeerId id, const PeerActivity& activity, Instant now, WallTime wall) {
    auto* const peer = find(id);
    if (peer == nullptr) return;
    if (peer->effort && peer->effort->gave_way && activity.heard && !activity.session_wanted) {
        end_effort(*peer);
        schedule(*peer);
    }
    if (activity.heard) {
        peer->last_heard = Heard{now, activity.worker};
        peer->called_from.reset();
    }
    if (wants_session(*peer, activity, now)) initiate(id, now, wall);
}

bool Handshaker::Engine::wants_session(const HandshakePeer& peer, const PeerActivity& activity, Instant now) {
    if (!peer.session) return activity.session_wanted || activity.sent;
    const auto age = now - peer.session->established;
    if (activity.session_wanted) return !peer.session->initiator || age >= Timing::report_lag;
    if (activity.sent && now >= peer.session->rekey_from) return true;
    if (activity.running_out && age >= Timing::report_lag) return true;
    const auto& heard = peer.last_heard;
    const bool contradicted =
        heard && heard->worker != activity.worker && now - heard->at < Timing::heard_for;
    return activity.silent && !contradicted && age >= Timing::longest_retry;
}

// Of the own worker n % workers is the n-th: the first is a multiple.
InboundSpis Handshaker::Engine::take_spis() {
    const unsigned workers = options_.workers;
    return {workers, (spis_.take(*random_) + workers - 1) / workers * workers};
}

void Handshaker::Engine::tick(Instant now, WallTime wall) {
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        auto& peer = peers_.at(deadlines_.begin()->second);
        on_deadline(peer, now, wall);
        schedule(peer);
    }
}

void Handshaker::Engine::on_deadline(HandshakePeer& peer, Instant now, WallTime wall) {
    if (peer.effort && now < peer.effort->since + Timing::give_up_after) {
        send_attempt(peer, peer.known_endpoint(), now, wall);
        return;
    }
    end_effort(peer);
    retire(peer);
}

void Handshaker::Engine::start_effort(HandshakePeer& peer, Instant now, WallTime wall) {
    peer.effort.emplace();
    peer.effort->since = now;
    if (peer.answered_within(Timing::first_retry, now)) {
        give_way(peer, now);
    } else {
        send_attempt(peer, peer.known_endpoint(), now, wall);
    }
}

void Handshaker::Engine::send_attempt(HandshakePeer& peer, const Endpoint& to, Instant now, WallTime wall) {
    const auto other = peer.other_endpoint();
    send_initiation(peer, to, now, wall);
    if (other && other != to) send_again(*other);
    auto& effort = peer.current_effort();
    effort.gave_way = false;
    ++effort.attempts;
    effort.retry_at = std::min(now + jittered(Timing::retry_interval(effort.attempts)),
                               effort.since + Timing::give_up_after);
}

void Handshaker::Engine::send_initiation(HandshakePeer& peer, const Endpoint& to, Instant now,
                                         WallTime wall) {
    drop_attempt(peer);
    const InitiationPayload payload{next_timestamp(wall), options_.ciphers, take_spis()};
    const auto bytes = payload.serialize();
    const auto index = indices_.take(*random_);
    auto builder = ControlBuilder::initiation(index, noise_message_1_overhead + bytes.size());
    NoiseInitiator noise{handshake_pattern, handshake_prologue(builder.header()), identity_, peer.remote,
                         ephemeral()};
    // A static key of low order was refused when the peer was added, so this cannot fail.
    if (!noise.write_message(bytes, builder.noise())) std::abort();
    const auto* const cookie = peer.live_cookie(now);
    auto [datagram, mac1] = std::move(builder).finish(peer.mac1, cookie);
    peer.current_effort().attempt.emplace(Attempt{.index = index,
                                                  .first_spi = payload.inbound.first,
                                                  .to = to,
                                                  .mac1 = mac1,
                                                  .proved = cookie != nullptr,
                                                  .noise = std::move(noise)});
    by_index_.emplace(index, &peer);
    actions_.emplace_back(Remember{identity_.public_key(), payload.timestamp});
    actions_.emplace_back(Send{peer.id, to, std::move(datagram)});
}

// The datagram that was sent last.
void Handshaker::Engine::send_again(const Endpoint& to) {
    Send again = std::get<Send>(actions_.back());
    again.to = to;
    actions_.emplace_back(std::move(again));
}

// The peer's handshake goes first. The side of the smaller key keeps its attempt, which may be answered yet;
// the other drops it: if both were answered crosswise, each side would take another session for the latest.
void Handshaker::Engine::give_way(HandshakePeer& peer, Instant now) {
    if (identity_.public_key() > peer.remote.static_key) drop_attempt(peer);
    auto& effort = peer.current_effort();
    effort.since = now;
    effort.attempts = 0;
    effort.retry_at = now + jittered(Timing::first_retry);
    effort.gave_way = true;
}

void Handshaker::Engine::drop_attempt(HandshakePeer& peer) {
    auto& attempt = peer.current_effort().attempt;
    if (!attempt) return;
    by_index_.erase(attempt->index);
    indices_.release(attempt->index);
    spis_.release(attempt->first_spi);
    attempt.reset();
}

void Handshaker::Engine::drop_answer(HandshakePeer& peer) {
    if (peer.answer.index == 0) return;
    by_index_.erase(peer.answer.index);
    indices_.release(peer.answer.index);
    peer.answer = {};
}

void Handshaker::Engine::end_effort(HandshakePeer& peer) {
    if (!peer.effort) return;
    drop_attempt(peer);
    peer.effort.reset();
}

void Handshaker::Engine::install(HandshakePeer& peer, const Agreed& agreed, const Endpoint& from,
                                 Instant now) {
    auto& spis = peer.inbound_spis;
    spis_.release(spis.back());
    std::ranges::move_backward(spis.begin(), spis.end() - 1, spis.end());
    spis.front() = agreed.own.first;
    peer.session = latest(now, agreed.initiator);
    peer.status.last_handshake = now;
    ++peer.status.completed;
    const bool moves = agreed.initiator || !peer.endpoint;
    if (moves) peer.endpoint = from;
    actions_.emplace_back(Install{peer.id, make_sessions(peer, agreed, now), from, moves});
}

LatestSession Handshaker::Engine::latest(Instant established, bool initiator) {
    const Duration after = initiator ? Timing::rekey_initiator_after + random_part(Timing::rekey_jitter)
                                     : Timing::rekey_responder_after;
    return {.established = established, .rekey_from = established + after, .initiator = initiator};
}

void Handshaker::Engine::resume(PeerId id, const Resumed& sessions) {
    auto* const peer = find(id);
    if (peer == nullptr) return;
    const auto spis = std::span{sessions.inbound_spis}.first(
        std::min(sessions.inbound_spis.size(), peer->inbound_spis.size()));
    for (const auto spi : spis) spis_.claim(spi);
    std::ranges::copy(spis, peer->inbound_spis.begin());
    peer->session = latest(sessions.established, sessions.initiator);
    peer->status.last_handshake = sessions.established;
    peer->status.completed = sessions.handshakes;
    next_session_id_ = std::max(next_session_id_, sessions.newest_id + 1);
    schedule(*peer);
}

// To each worker its share of the SAs.
std::vector<Session> Handshaker::Engine::make_sessions(const HandshakePeer& peer, const Agreed& agreed,
                                                       Instant now) {
    const WorkerPairing pairing{agreed.own.workers, agreed.peer.workers,
                                pairing_rotation(identity_.public_key(), peer.remote.static_key)};
    const auto id = next_session_id_++;
    std::vector<Session> sessions(pairing.own());
    for (unsigned worker = 0; worker < pairing.own(); ++worker) {
        auto& session = sessions[worker];
        session.id = id;
        session.initiator = agreed.initiator;
        session.established = now;
        session.outbound =
            derive_sa_keys(agreed.outbound, agreed.peer.first + pairing.sealed_by_own(worker), agreed.cipher);
    }
    for (unsigned worker = 0; worker < pairing.peer(); ++worker) {
        const auto n = pairing.sealed_by_peer(worker);
        sessions[pairing.opened_by_own(n)].inbound.push_back(
            derive_sa_keys(agreed.inbound, agreed.own.first + n, agreed.cipher));
    }
    return sessions;
}

void Handshaker::Engine::retire(HandshakePeer& peer) {
    for (auto& spi : peer.inbound_spis) spis_.release(std::exchange(spi, 0));
    peer.session.reset();
    actions_.emplace_back(Retire{peer.id});
}

// Strictly increasing, even while the wall clock stands still or is set back.
Timestamp Handshaker::Engine::next_timestamp(WallTime wall) {
    last_timestamp_ = std::max(wall, last_timestamp_ + WallTime::duration{1});
    return Timestamp::at(last_timestamp_);
}

Duration Handshaker::Engine::random_part(Duration most) {
    std::array<std::uint8_t, 2> bytes{};
    random_->fill(bytes);
    return most * (bytes[0] << 8U | bytes[1]) / 0xFFFF;
}

Secret<32> Handshaker::Engine::ephemeral() {
    Secret<32> key;
    random_->fill(key.writable());
    return key;
}

void Handshaker::Engine::schedule(HandshakePeer& peer) {
    const auto next = peer.next_deadline();
    if (next == peer.deadline) return;
    if (peer.deadline) deadlines_.erase({*peer.deadline, peer.id});
    if (next) deadlines_.emplace(*next, peer.id);
    peer.deadline = next;
}

Handshaker::Status Handshaker::Engine::status(PeerId id) const {
    const auto found = peers_.find(id);
    if (found == peers_.end()) return {};
    auto status = found->second.status;
    status.in_progress = found->second.effort.has_value();
    return status;
}

}  // namespace weft
