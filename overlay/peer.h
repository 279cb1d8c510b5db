// A peer as the packet path knows it: where it is, what keys it has, what it may send. Belongs to one worker.
//
// Sessions live at most PeerSession::lifetime and change hands without a gap (make before break):
//
//             install          may be used            first packet heard with current
//   new keys --------> next --------------> current --------------+
//                                              |                  | 5 s without a packet of previous
//                                              +---> previous ----+------------------------------> wiped
//
// The initiator may use them as soon as all of its workers have them; the responder when the first packet
// that is sealed with them arrives, here or at another worker: only then is it known that the peer has the
// keys, all of it. A previous session only opens, what is still under way or what one of the peer's workers
// sends that has not heard the news; its outbound key is wiped when it becomes one.
//
// Packets for a peer without a session wait in `parked`, bounded, until there is one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "crypto/sa.h"
#include "overlay/handshake.h"
#include "overlay/liveness.h"
#include "overlay/outbox.h"
#include "overlay/path_search.h"
#include "vswitch/address.h"
#include "vswitch/id.h"
#include "vswitch/packet.h"

namespace weft {

struct PeerSession {
    static constexpr Duration lifetime = std::chrono::seconds{180};
    // What a packet may be late, on the worst of paths.
    static constexpr Duration drain_time = std::chrono::seconds{5};

    std::uint32_t id = 0;
    Cipher cipher{};
    OutboundSa outbound;
    std::vector<InboundSa> inbound;
    Instant established;
    Instant ends = established + lifetime;
    bool manual = false;  // agreed on by hand: never ends
    bool initiator = false;
    bool draining = false;

    [[nodiscard]] bool alive(Instant now) const noexcept { return now < ends; }

    void drain(Instant now) noexcept {
        draining = true;
        ends = std::min(established + lifetime, now + drain_time);
    }
};

// A packet, or a super-frame, on its way into a tunnel, and what is to be put around each of its segments
// (tunnel.h).
struct TunnelPayload {
    Packet packet;
    std::uint8_t next_header = 0;
    std::uint16_t network = 0;    // offset of the IP header
    Vni vni{};                    // of a frame
    std::uint32_t flow_hash = 0;  // of a frame
};

struct Peer {
    static constexpr std::size_t max_parked = 16;
    static constexpr Duration max_parked_for = std::chrono::seconds{5};
    static constexpr Duration remind_interval = std::chrono::milliseconds{500};

    PeerId id;
    PortId port;
    bool encrypted = true;
    std::size_t replay_window = ReplayWindow::default_size;
    std::optional<Endpoint> endpoint;
    std::unique_ptr<PeerSession> current;
    std::unique_ptr<PeerSession> previous;
    std::unique_ptr<PeerSession> next;
    Liveness liveness;
    Outbox::Place place;  // in the underlay's outbox
    PathSearch path;
    bool probes_path = false;         // it answers probes, and knows packets in pieces
    std::uint16_t room = UINT16_MAX;  // of UDP payload, that the path carries
    std::uint32_t fragmented = 0;     // packets so far
    std::vector<TunnelPayload> parked;
    Instant parked_since;
    Instant reminded;  // that there are new keys

    // Not yet reported to the control side.
    bool sent = false;
    bool heard = false;
    bool session_wanted = false;

    // The session to seal with, or nullptr.
    [[nodiscard]] PeerSession* sealing(Instant now) const noexcept {
        return current && current->alive(now) && !current->outbound.exhausted() ? current.get() : nullptr;
    }
};

}  // namespace weft
