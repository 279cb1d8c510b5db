// Whether a peer is alive, judged by traffic alone; one of these for each peer, in the datapath.
//
// A side that receives data but has none to send answers with an empty packet (an ESP dummy) after
// `answer_after`. So whoever sends data hears something back, and data that nothing answers for
// `silent_after` means that the peer is gone, or has lost its keys. Idle peers exchange nothing, unless
// `keepalive` asks for it (to hold a NAT's mapping open), or `ask_after` (to know about a dead peer before it
// is needed).
//
//   data sent    ->  something is expected, counted from the first data packet after which nothing was heard
//   data heard   ->  an answer is owed, counted from the first data packet after which nothing was sent
//   dummy heard  ->  the peer lives; nothing is owed: two idle peers must not keep each other awake
//   dummy sent   ->  pays what is owed and restarts the keepalive; no answer to it is expected
//   question     ->  a dummy to which an answer is expected (probe.h)
//
// `silent_after` has to exceed `answer_after` by a round trip.
#pragma once

#include <chrono>
#include <optional>

#include "vswitch/id.h"

namespace weft {

class Liveness {
  public:
    struct Options {
        Duration keepalive{0};  // something is sent at least this often; 0: off
        Duration ask_after{0};  // of silence, whether the peer is there; 0: never
        Duration answer_after = std::chrono::seconds{1};
        Duration silent_after = std::chrono::seconds{3};
    };

    Liveness() noexcept = default;

    explicit Liveness(const Options& options) noexcept : options_(options) {}

    void sent(Instant now) noexcept {
        if (!unanswered_since_) unanswered_since_ = now;
        sent_dummy(now);
    }

    void sent_dummy(Instant now) noexcept {
        last_sent_ = now;
        answer_owed_since_.reset();
    }

    void asked(Instant now) noexcept {
        if (!unanswered_since_) unanswered_since_ = now;
        sent_dummy(now);
    }

    // Something authentic arrived: data or a dummy.
    void heard(Instant now, bool data) noexcept {
        last_heard_ = now;
        unanswered_since_.reset();
        if (data && !answer_owed_since_) answer_owed_since_ = now;
    }

    [[nodiscard]] bool wants_dummy(Instant now) const noexcept {
        return passed(answer_owed_since_, options_.answer_after, now) || keepalive_due(now);
    }

    // Once: what is not answered is silence.
    [[nodiscard]] bool wants_question(Instant now) const noexcept {
        return options_.ask_after > Duration::zero() && !unanswered_since_ &&
               passed(last_heard_, options_.ask_after, now);
    }

    [[nodiscard]] bool silent(Instant now) const noexcept {
        return passed(unanswered_since_, options_.silent_after, now);
    }

    [[nodiscard]] std::optional<Instant> last_heard() const noexcept { return last_heard_; }

  private:
    static bool passed(const std::optional<Instant>& since, Duration span, Instant now) noexcept {
        return since && now - *since >= span;
    }

    [[nodiscard]] bool keepalive_due(Instant now) const noexcept {
        if (options_.keepalive <= Duration::zero()) return false;
        return !last_sent_ || passed(last_sent_, options_.keepalive, now);
    }

    Options options_;
    std::optional<Instant> last_sent_;
    std::optional<Instant> last_heard_;
    std::optional<Instant> unanswered_since_;
    std::optional<Instant> answer_owed_since_;
};

}  // namespace weft
