// The works behind Handshaker, which handshake.h describes: tables of peers, and what every call does to
// them. Two source files: handshake_exchange.cpp reads and answers messages, handshake_engine.cpp decides
// when to send one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "crypto/noise.h"
#include "overlay/handshake.h"
#include "overlay/handshake_message.h"
#include "overlay/handshake_peer.h"
#include "overlay/unique_numbers.h"
#include "overlay/worker_pairing.h"

namespace weft {

// Without a pre-shared key, one of zeros.
inline constexpr auto handshake_pattern = NoisePattern::ik_psk2;

// A node's inbound SPIs of one handshake lie in one such block, aligned to its size: max_workers of them,
// from the first multiple of the number of workers on.
inline constexpr std::uint32_t spi_block = 2 * max_workers;

// Public keys are as good as random, and only the operator's are ever inserted.
struct PublicKeyHash {
    std::size_t operator()(const PublicKey& key) const noexcept {
        std::size_t hash = 0;
        std::memcpy(&hash, key.bytes.data(), sizeof hash);
        return hash;
    }
};

class Handshaker::Engine {
  public:
    Engine(const PrivateKey& identity, Random& random, HandshakerOptions options);

    void add_peer(PeerId id, PeerOptions options);
    void remove_peer(PeerId id);
    void set_endpoint(PeerId id, const Endpoint& endpoint);
    void resume(PeerId id, const Resumed& sessions);
    std::optional<Drop> receive(ByteView datagram, const Endpoint& from, Instant now, WallTime wall);
    void report(PeerId id, const PeerActivity& activity, Instant now, WallTime wall);
    void initiate(PeerId id, Instant now, WallTime wall);
    void tick(Instant now, WallTime wall);

    [[nodiscard]] std::optional<Instant> next_deadline() const {
        return deadlines_.empty() ? std::nullopt : std::optional{deadlines_.begin()->first};
    }

    std::vector<Action> take_actions() { return std::exchange(actions_, {}); }

    [[nodiscard]] Status status(PeerId id) const;

  private:
    struct Accepted {
        HandshakePeer* peer = nullptr;
        InitiationPayload payload;
        Cipher cipher = Cipher::aes_128_gcm;
    };

    HandshakePeer* find(PeerId id);

    std::optional<Drop> on_initiation(const ControlFrame& frame, const Endpoint& from, Instant now,
                                      WallTime wall);
    std::optional<Accepted> accept(NoiseResponder& noise, const ControlFrame& frame, Instant now);
    void answer(const Accepted& accepted, NoiseResponder& noise, std::uint32_t receiver, const Endpoint& from,
                Instant now);
    std::optional<Drop> on_response(const ControlFrame& frame, const Endpoint& from, Instant now);
    std::optional<Drop> on_cookie(const CookieReply& reply, Instant now, WallTime wall);

    void start_effort(HandshakePeer& peer, Instant now, WallTime wall);
    void send_attempt(HandshakePeer& peer, const Endpoint& to, Instant now, WallTime wall);
    void send_again(const Endpoint& to);
    void send_initiation(HandshakePeer& peer, const Endpoint& to, Instant now, WallTime wall);
    void give_way(HandshakePeer& peer, Instant now);
    void drop_attempt(HandshakePeer& peer);
    void drop_answer(HandshakePeer& peer);
    void end_effort(HandshakePeer& peer);
    void on_deadline(HandshakePeer& peer, Instant now, WallTime wall);

    // What a handshake has agreed upon, as this side sees it.
    struct Agreed {
        const Secret<32>& outbound;  // transport keys
        const Secret<32>& inbound;
        Cipher cipher{};
        InboundSpis own;
        InboundSpis peer;
        bool initiator = false;
    };

    LatestSession latest(Instant established, bool initiator);
    InboundSpis take_spis();
    void install(HandshakePeer& peer, const Agreed& agreed, const Endpoint& from, Instant now);
    [[nodiscard]] std::vector<Session> make_sessions(const HandshakePeer& peer, const Agreed& agreed,
                                                     Instant now);
    void retire(HandshakePeer& peer);
    [[nodiscard]] static bool wants_session(const HandshakePeer& peer, const PeerActivity& activity,
                                            Instant now);

    [[nodiscard]] std::optional<Cipher> choose(const std::vector<Cipher>& offered) const;
    [[nodiscard]] bool offers(Cipher cipher) const;
    Timestamp next_timestamp(WallTime wall);
    Duration random_part(Duration most);

    Duration jittered(Duration interval) { return interval - interval / 5 + random_part(interval / 5 * 2); }

    Secret<32> ephemeral();
    void schedule(HandshakePeer& peer);

    X25519 identity_;
    Mac1Key own_mac1_;
    Random* random_;
    HandshakerOptions options_;
    // Nodes stay where they are, so that the other tables and running attempts can point into this one.
    std::unordered_map<PeerId, HandshakePeer> peers_;
    std::unordered_map<PublicKey, HandshakePeer*, PublicKeyHash> by_key_;
    std::unordered_map<std::uint32_t, HandshakePeer*> by_index_;
    std::set<std::pair<Instant, PeerId>> deadlines_;
    UniqueNumbers indices_{1};
    UniqueNumbers spis_{min_spi, spi_block};
    std::uint32_t next_session_id_ = 1;
    WallTime last_timestamp_;
    std::vector<Action> actions_;
};

}  // namespace weft
