// Agrees on sessions with peers: handshakes, retransmission, rekeying, giving up. An engine without
// descriptors, clock or randomness of its own: all that happens is told by calls, all that is to be done
// comes out of take_actions(). Owned by the control thread. The bytes are drawn in handshake_message.h, the
// keys explained in session_keys.h.
//
//   initiator                                             responder
//   1. initiation: timestamp, ciphers,              --->  2. known key? newer timestamp than ever from it?
//      workers, inbound SPIs
//   4. Install: sends with it at once, to where     <---  3. response, to where the initiation came from:
//      the response came from                                cipher, workers, inbound SPIs;
//                                                            Install: sends with it once it has heard
//                                                            from it, to where that came from
//
// Endpoints. A response proves where the peer is: it answers a fresh key. An initiation does not: it can have
// been held back and sent on by anybody. It moves neither the endpoint that the session in use sends to nor
// the one that this side's initiations go to, unless none is known; the peer's first packet will. But if the
// first initiation is in vain, the next ones go to where the peer's came from as well.
//
// Lost messages. An initiation is repeated each second, six times, then after 2 s, then every 4 s, all
// +-20 %, each time with a new ephemeral key, timestamp, index and SPI, for 90 s; then Retire. The next
// report that data waits starts anew. A response is never repeated: the next initiation asks for another.
//
// Rekeying. The initiator of the latest session makes another 120..150 s after it, the responder after 165 s,
// if data was sent; either one when a worker's SA is running out of what its key may seal (crypto/sa.h). The
// time is drawn for each session, so that ten thousand peers that a node has called at once do not all rekey
// at once. It leaves the initiator 15 s or more, which are eight attempts, before the responder tries as
// well, and that one as many. The old session stays until the datapath replaces it. A session dies at 180 s:
// the datapath stops using it, and here Retire follows, unless a handshake is under way.
//
// Both at once. If each side has sent an initiation, the one of the larger public key goes on: its owner does
// not answer while its own is fresh (not yet due for repetition, one of the first three); if it was sent
// elsewhere, another goes to where the peer's came from. The other side answers and puts its own effort off
// by a second; it is over when the report says that the peer was heard. After three initiations in vain the
// larger key gives way as well: its way to the peer or its clock may be the wrong one. A side that has just
// answered waits a second too before it starts a handshake of its own.
//
// Replays. A peer's initiations carry strictly increasing timestamps. The newest of each peer comes out as
// Remember, before the response, and is given back in PeerOptions after a restart: a recorded initiation is
// never answered again. So does this node's own newest (HandshakerOptions), lest a clock that was set back
// lock it out. A peer whose clock was set back, and who remembers nothing, is refused until it has caught up.
//
// Cookies (cookie.h). A peer under load answers a message with a cookie. It is kept while it lives, and
// proved in all messages to this peer. If the message was an initiation without one, another with it follows
// at once; it takes no part in the schedule of repetitions, and no cookie makes it be repeated again. A
// response waits for the peer's next initiation.
//
// Ciphers. Each side ranks those it knows by how fast it is with them, and the initiator offers its list. The
// responder takes the one whose worse rank of the two is best, so that the slower side is spared most;
// between equals ChaCha20-Poly1305, which every machine does well, then the initiator's order. A machine
// without AES instructions thus never does AES because its peer prefers it.
//
// Workers. A session has SAs for every worker of both nodes (worker_pairing.h). Reports come from each worker
// by itself: a worker that hears no answer is contradicted by any other one that has heard the peer since.
//
// Limits. One initiation in 20 ms is accepted from a peer. Work per event is logarithmic in the number of
// peers that have a session or a handshake; a peer without either costs nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "crypto/key.h"
#include "crypto/sa.h"
#include "overlay/handshake_message.h"
#include "overlay/random.h"
#include "vswitch/address.h"
#include "vswitch/drop.h"
#include "vswitch/id.h"

namespace weft {

// One agreed session, as one worker has it: SAs made together, replaced together.
struct Session {
    std::uint32_t id = 0;  // local; told apart from the peer's other sessions
    SaKeys outbound;
    std::vector<SaKeys> inbound;  // from as many of the peer's workers as send to this one; perhaps none
    bool initiator = false;  // the initiator sends with it at once; the responder once it has heard from it
    Instant established;
};

// What the packet path tells about a peer, once a tick at most and only when there is something to tell.
struct PeerActivity {
    bool session_wanted = false;  // a packet waits and there is no usable outbound SA
    bool sent = false;            // data was sent since the last report
    bool heard = false;           // something authentic was received since the last report
    bool silent = false;          // data was sent, and nothing authentic came back for too long (liveness.h)
    bool running_out = false;     // the current outbound SA: of packets or bytes
    std::uint64_t packets_sent = 0;      // with it
    std::uint64_t highest_received = 0;  // sequence number, of the first SA of the current session
    unsigned worker = 0;                 // that tells it
};

struct HandshakerOptions {
    // The preferred one first; one to eight.
    std::vector<Cipher> ciphers = ranked_by_speed();
    unsigned workers = 1;          // of this node, 1 to max_workers
    Timestamp newest_timestamp{};  // of this node's own initiations before it was restarted

    static std::vector<Cipher> ranked_by_speed() {
        const auto ranked = preferred_ciphers();
        return {ranked.begin(), ranked.end()};
    }
};

class Handshaker {
  public:
    struct PeerOptions {
        PublicKey public_key;
        PresharedKey preshared_key;  // all zero: none
        std::optional<Endpoint> endpoint;
        Timestamp newest_timestamp{};  // accepted before this node was restarted
    };

    // To be kept over restarts, before anything is sent that comes after it.
    struct Remember {
        PublicKey key;  // the peer's, or this node's own
        Timestamp newest;
    };

    struct Send {
        PeerId peer;
        Endpoint to;
        std::vector<std::uint8_t> datagram;
    };

    struct Install {
        PeerId peer;
        std::vector<Session> sessions;  // one for each worker of this node, in their order
        Endpoint endpoint;              // where the peer's message came from
        bool moves = false;  // send there from now on; else where the peer's first packet comes from
    };

    struct Retire {  // the peer is gone, or given up
        PeerId peer;
    };

    using Action = std::variant<Remember, Send, Install, Retire>;

    using WallTime = std::chrono::system_clock::time_point;

    // Throws std::runtime_error if OpenSSL lacks an algorithm or the options are void.
    Handshaker(const PrivateKey& identity, Random& random, HandshakerOptions options = {});
    ~Handshaker();
    Handshaker(Handshaker&&) noexcept;
    Handshaker& operator=(Handshaker&&) noexcept;

    // Throws std::runtime_error if the public key is unusable, this node's own, or another peer's. A peer
    // that is known is replaced; under the same key, replays stay known.
    void add_peer(PeerId peer, PeerOptions options);
    void remove_peer(PeerId peer);
    void set_endpoint(PeerId peer, const Endpoint& endpoint);

    // Sessions that another process agreed on with a peer, which was just added here, and that the datapath
    // goes on with. The next one is due when it would have been.
    struct Resumed {
        Instant established;  // the newest
        bool initiator = false;
        std::uint32_t newest_id = 0;
        std::uint64_t handshakes = 0;
        std::vector<std::uint32_t> inbound_spis{};  // one of each session, the newest first
    };

    void resume(PeerId peer, const Resumed& sessions);

    // A control datagram (it begins with four zero bytes) arrived. A Drop says under which name to count it;
    // never throws, allocates only within bounds.
    std::optional<Drop> receive(std::span<const std::uint8_t> datagram, const Endpoint& from, Instant now,
                                WallTime wall) noexcept;

    void report(PeerId peer, const PeerActivity& activity, Instant now, WallTime wall);

    // Starts a handshake unless one is under way. Without an endpoint nothing happens.
    void initiate(PeerId peer, Instant now, WallTime wall);

    // Retransmissions, rekeys, giving up. To be called at next_deadline() or later.
    void tick(Instant now, WallTime wall);
    [[nodiscard]] std::optional<Instant> next_deadline() const;

    // Everything that the calls so far want done, in order; empties the list.
    [[nodiscard]] std::vector<Action> take_actions();

    struct Status {
        std::optional<Instant> last_handshake;
        bool in_progress = false;
        std::uint64_t completed = 0;  // handshakes
    };

    [[nodiscard]] Status status(PeerId peer) const;

  private:
    class Engine;
    std::unique_ptr<Engine> engine_;
};

}  // namespace weft
