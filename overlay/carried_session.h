// A session on its way from one process to the next, which goes on with it as if nothing had happened: a
// planned restart (cli/handover.h). One worker's share of it, as Session is.
//
// A nonce must not come twice under a key. The old process has stopped sending when it tells where it has got
// to, the new one begins `sequence_jump` numbers further on, and what is told is used once: that is for
// whoever carries it (cli/handover_carrier.h). To the peer it looks as if packets had been lost.
//
// A session that the peer still sends in, but this side does not any more (`previous`), has no outbound key.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "crypto/replay_window.h"
#include "overlay/handshake.h"
#include "vswitch/id.h"

namespace weft {

// More than the old process could have sealed between any two looks at its counter, and nothing to 2^48.
inline constexpr std::uint64_t sequence_jump = std::uint64_t{1} << 16U;

struct CarriedSession {
    enum class Role : std::uint8_t { previous, current, next };  // of the peer's (peer.h), in this order

    struct Window {
        std::uint64_t highest = 0;
        ReplayWindow::Recent recent{};
    };

    Role role = Role::current;
    Session session{};
    std::uint64_t next_sequence = 1;
    std::uint64_t sealed_bytes = 0;
    std::vector<Window> windows{};  // of session.inbound
    Instant ends{};
    bool draining = false;
};

// What the handshaker is to know of them: each worker's share, and how many handshakes there were. Nothing if
// there is no session.
std::optional<Handshaker::Resumed> resumed(std::span<const std::vector<CarriedSession>> workers,
                                           std::uint64_t handshakes);

}  // namespace weft
