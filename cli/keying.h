// The control side of the peers: where they are and what keys they have. Joins the Handshaker (which knows no
// socket, no file and no clock), the resolver, the timestamps on disk, the counter files of manual security
// associations and the key log to the workers, and has what becomes of the peers watched (peer_watch.h).
//
// Owner: the control thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cli/handover_state.h"
#include "cli/keylog.h"
#include "cli/locator.h"
#include "cli/loop.h"
#include "cli/monitor.h"
#include "cli/peer_watch.h"
#include "cli/resolver.h"
#include "cli/sequence_store.h"
#include "cli/timestamp_store.h"
#include "cli/workers.h"
#include "config/config.h"
#include "overlay/handshake.h"
#include "overlay/random.h"

namespace weft {

class Keying {
  public:
    using Located = std::function<void(PeerId, const Endpoint&)>;

    // Of `config` the node and the underlay. `plain_located`: a peer without keys has this endpoint now.
    Keying(Loop& loop, Workers& workers, const config::Config& config, Monitor& monitor,
           Located plain_located);

    // The peer exists in the datapath; `id` and its configuration stay until remove(). What the last weftd
    // has left of it is gone on with. Throws if a counter file is unusable.
    void add(PeerId id, const config::Peer& peer, std::optional<HandoverState::Peer> left = std::nullopt);
    void remove(PeerId id);

    // What a worker reports.
    void receive(const ControlReceived& control);
    void report(unsigned worker, const PeerReport& report);
    void finish() noexcept;  // the workers have stopped: what is kept over a restart is written
    void moved(const PeerMoved& moved);
    void path_changed(const PathMtuChanged& changed);

    // The workers have stopped: what the next weftd goes on with, but for what is configured. Nothing if no
    // keys were agreed on.
    [[nodiscard]] std::optional<HandoverState::Peer> leave(PeerId id);

    [[nodiscard]] std::optional<Handshaker::Status> status(PeerId id) const;

    // Of agreed keys.
    [[nodiscard]] bool has_session(PeerId id) const;

    // Has a handshake under way now; false if nobody knows where the peer is, or its keys are not agreed on.
    bool rekey(PeerId id);

    [[nodiscard]] bool silent(PeerId id) const { return watch_.silent(id); }

    [[nodiscard]] bool keylog() const noexcept { return keylog_.has_value(); }

  private:
    struct Known {
        std::string name;
        bool encrypted = true;
        std::unique_ptr<SequenceStore> sequence;  // of a manual SA, as what follows
        std::unique_ptr<ReceivedStore> received;
        std::uint64_t highest_received = 0;
        bool reserve_failed = false;
        bool save_failed = false;
        bool ipv6 = false;  // its endpoint, for the key log
    };

    void renew_cookies();
    void remember(const Handshaker::Remember& remember);
    void resolve();
    void resolved(PeerId id, const std::string& host, const Resolved& resolved);
    void located(PeerId id);

    [[nodiscard]] bool lost(PeerId id) const { return !watch_.up(id) || watch_.silent(id); }

    void resume(PeerId id, Known& known, HandoverState::Peer left);
    void add_manual(PeerId id, Known& known, const config::ManualSa& manual);
    void reserve(PeerId id, Known& known, std::uint64_t used);
    static void save_received(Known& known);
    void carry_out();
    void send(Handshaker::Send& send);
    void send(const Endpoint& to, std::vector<std::uint8_t> datagram);
    void install(Handshaker::Install& install, Handshaker::Send* response);
    void log_keys(const SaKeys& keys, bool ipv6);
    void arm();

    Loop& loop_;
    Workers& workers_;
    SystemRandom random_;
    // These are there if the node has an identity.
    std::optional<TimestampStore> timestamps_;
    bool remember_failed_ = false;
    std::unique_ptr<Handshaker> handshaker_;
    PeerWatch watch_;
    Monitor& monitor_;
    Located plain_located_;
    Locator locator_;
    Resolver resolver_;
    Timer timer_;
    Timer save_timer_;  // runs if there are manual SAs
    Timer cookie_timer_;
    std::optional<Keylog> keylog_;
    std::map<PeerId, Known> peers_;
};

}  // namespace weft
