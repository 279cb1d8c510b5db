// How each peer is, as the control side sees it, and the events of its life. Told what the handshaker decides
// and the workers report, it publishes what changes:
//
//             agreed                    reported silent
//   (down) ----------> (up)          -------------------> (silent)
//   peer_up              ^ |                               |    |
//                        | +- ended: peer_down             |    +- ended: peer_down (no_answer)
//                        +-- reported heard, or agreed: peer_heard
//
// A peer decides how often it moves and makes handshakes, and those on the path to it how often that changes,
// but not how much is told of it: at most once in `hold`, the first at once, of the rest what it came to.
//
// A worker's word that the peer is silent does not count while another worker has heard it.
//
// No clock of its own: `now` comes with every call, tick() is due at next_deadline(). Owner: the control
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "cli/monitor.h"
#include "overlay/handshake.h"
#include "vswitch/id.h"

namespace weft {

class PeerWatch {
  public:
    static constexpr Duration hold = std::chrono::seconds{1};

    explicit PeerWatch(std::function<void(const NodeEvent&)> publish);

    void add(PeerId id, std::string name);
    void remove(PeerId id);

    // On a session, with who spoke from `endpoint`. `moves`: that is where the peer is from now on.
    void agreed(PeerId id, Cipher cipher, const Endpoint& endpoint, bool moves, Instant now);
    // A session that another process has agreed on is gone on with; nothing has happened.
    void resumed(PeerId id, Cipher cipher, const Endpoint& endpoint, std::uint64_t handshakes);
    void ended(PeerId id);  // its session, or the effort to have one
    void reported(PeerId id, const PeerActivity& activity, Instant now);
    void moved(PeerId id, const Endpoint& endpoint, Instant now);
    void path_measured(PeerId id, std::uint16_t mtu, Instant now);

    void tick(Instant now);
    [[nodiscard]] std::optional<Instant> next_deadline() const;

    [[nodiscard]] bool up(PeerId id) const;  // silent or not
    [[nodiscard]] bool silent(PeerId id) const;
    [[nodiscard]] bool heard_since(PeerId id, Instant since) const;

  private:
    struct Heard {
        Instant at;
        unsigned worker = 0;
    };

    struct Watched {
        std::string name;
        bool up = false;
        bool silent = false;
        std::optional<Heard> heard{};
        std::optional<Endpoint> endpoint{};
        std::optional<Endpoint> told_endpoint{};
        Cipher cipher{};
        std::uint64_t handshakes = 0;
        std::uint64_t told_handshakes = 0;
        std::optional<std::uint16_t> path_mtu{};
        std::optional<std::uint16_t> told_path_mtu{};
        std::optional<Instant> held_until{};
    };

    Watched* find(PeerId id);
    void heard(Watched& peer);
    void tell(PeerId id, Watched& peer, Instant now);

    std::function<void(const NodeEvent&)> publish_;
    std::map<PeerId, Watched> peers_;
    std::set<std::pair<Instant, PeerId>> held_;  // who has something that is not told yet
};

}  // namespace weft
