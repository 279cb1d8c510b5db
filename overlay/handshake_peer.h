// What the Handshaker keeps about a peer, and the times that its behaviour is made of (handshake.h explains
// them).
//
//            initiate, report                        response, or heard after giving way
//   (no effort) ---------------> Effort: attempt 1, 2, ... -----------------------------> (no effort)
//                                   | 90 s: Retire
//                                   +--------------> (no effort, no session)
//
// An Effort holds at most one Attempt, the latest: the keys of an attempt go when the next one is made.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <utility>

#include "crypto/noise.h"
#include "overlay/handshake.h"
#include "overlay/handshake_message.h"
#include "overlay/liveness.h"
#include "vswitch/id.h"

namespace weft {

struct HandshakeTiming {
    static constexpr Duration first_retry = std::chrono::seconds{1};
    static constexpr Duration longest_retry = std::chrono::seconds{4};
    static constexpr Duration give_up_after = std::chrono::seconds{90};
    static constexpr Duration rekey_initiator_after = std::chrono::seconds{120};
    static constexpr Duration rekey_jitter = std::chrono::seconds{30};
    static constexpr Duration rekey_responder_after = std::chrono::seconds{165};
    static constexpr Duration session_lifetime = std::chrono::seconds{180};
    static_assert(rekey_initiator_after + rekey_jitter < rekey_responder_after &&
                  rekey_responder_after < session_lifetime);
    static constexpr Duration accept_interval = std::chrono::milliseconds{20};
    // How long one worker's word that the peer lives stands against another's that it is silent.
    static constexpr Duration heard_for = Liveness::Options{}.silent_after;
    // A report may have been written before the session that it speaks of was installed.
    static constexpr Duration report_lag = std::chrono::seconds{1};
    static constexpr unsigned attempts_that_prevail = 3;

    // How long to wait for an answer to the n-th attempt, without jitter. Where one message in twenty is
    // lost, an attempt fails once in ten times: six in the first seconds leave one peer in a million without.
    static constexpr unsigned quick_retries = 6;

    static constexpr Duration retry_interval(unsigned attempts) noexcept {
        if (attempts <= quick_retries) return first_retry;
        return std::min(longest_retry, first_retry * (1U << std::min(attempts - quick_retries, 2U)));
    }
};

// An initiation that was sent and may be answered.
struct Attempt {
    std::uint32_t index;
    std::uint32_t first_spi;  // inbound; 0 once a session has it
    Endpoint to;
    Mac mac1;
    bool proved;  // with a cookie
    NoiseInitiator noise;
};

// The latest response that was sent, for the cookie that it may be answered with.
struct Answer {
    std::uint32_t index = 0;  // 0: none
    Mac mac1{};
};

struct HeldCookie {
    Cookie cookie;
    Instant until;
};

struct Effort {
    Instant since;
    Instant retry_at;
    unsigned attempts = 0;
    bool gave_way = false;  // the peer's own handshake was answered meanwhile
    std::optional<Attempt> attempt;
};

struct LatestSession {
    Instant established;
    Instant rekey_from;
    bool initiator = false;
};

// The latest word of a worker that the peer lives.
struct Heard {
    Instant at;
    unsigned worker = 0;
};

struct HandshakePeer {
    PeerId id;
    NoiseRemote remote;
    Mac1Key mac1{};
    CookieKey cookie_key{};
    std::optional<Endpoint> endpoint;
    std::optional<HeldCookie> cookie;
    Answer answer;
    std::optional<Endpoint> called_from;  // its latest initiation, if nothing was heard from it since
    Timestamp newest_timestamp;           // of the initiations accepted from it
    std::optional<Instant> last_accepted;
    std::optional<Heard> last_heard;
    std::optional<Effort> effort;
    std::optional<LatestSession> session;
    // The blocks of SPIs that the datapath may still hold inbound SAs for, the newest first; 0: none. It
    // holds three at most, but several that it never used may have come after the one in use.
    std::array<std::uint32_t, 8> inbound_spis{};
    std::optional<Instant> deadline;
    Handshaker::Status status;

    // For those who know that it is there.
    Effort& current_effort() noexcept {
        if (!effort) std::abort();
        return *effort;
    }

    Attempt& current_attempt() noexcept {
        if (!effort || !effort->attempt) std::abort();
        return *effort->attempt;
    }

    // For those who know that it is there.
    [[nodiscard]] Endpoint known_endpoint() const noexcept {
        if (!endpoint) std::abort();
        return *endpoint;
    }

    // Where an attempt goes as well if the one before was in vain: where the peer called from proves nothing,
    // but may be the only place where it still is.
    [[nodiscard]] std::optional<Endpoint> other_endpoint() const noexcept {
        return effort && effort->attempts > 0 && called_from != endpoint ? called_from : std::nullopt;
    }

    // To be proved to the peer.
    [[nodiscard]] const Cookie* live_cookie(Instant now) const noexcept {
        return cookie && now < cookie->until ? &cookie->cookie : nullptr;
    }

    [[nodiscard]] bool answered_within(Duration span, Instant now) const noexcept {
        return session && !session->initiator && now - session->established < span;
    }

    // Does its own initiation, still fresh, go before the peer's?
    [[nodiscard]] bool prevails(const PublicKey& own_key, Instant now) const noexcept {
        return effort && effort->attempt && !effort->gave_way && own_key > remote.static_key &&
               effort->attempts <= HandshakeTiming::attempts_that_prevail && now < effort->retry_at;
    }

    [[nodiscard]] std::optional<Instant> next_deadline() const noexcept {
        if (effort) return effort->retry_at;
        if (session) return session->established + HandshakeTiming::session_lifetime;
        return std::nullopt;
    }
};

}  // namespace weft
