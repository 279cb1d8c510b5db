// The largest packet that a path to a peer carries: packetization layer path MTU discovery (RFC 8899) by
// probes that the peer answers inside ESP (probe.h). ICMP is not listened to: it is filtered where it would
// be needed, and anybody can forge it. Sizes are of IP packets on the underlay, in bytes.
//
//     start                  answered: bounds move              bounds meet
//   ---------> searching  ---------------------------> ... -----------------> settled
//                 ^  ^                                                         |  |
//                 |  +---- raise_after, if less than `most` was found ---------+  |
//                 +------- `limit` got no answer: a black hole; the kernel -------+
//                          refused it; the peer has moved
//
// Two sizes come out of it:
//   limit()     what may be sent now. It starts at `most` (the underlay's own MTU, which is right nearly
//               always), falls at once when the path turns out to be narrower, and rises with each answer.
//   settled()   what senders are told (ICMP, MSS). It changes only when a search has ended: a passing doubt
//               must not leave a smaller MTU in the hosts' caches, where it would stay for ten minutes.
//
// A size has failed when max_tries probes of it got no answer within timeout() each, which follows the
// measured round trip. The bounds of a search are first `base`, then the size that was right before, then the
// middle, preferably at a size that real links have.
//
// Bulk data is not acknowledged by the peer, so while packets above `base` are sent (note_large), `limit` is
// confirmed by a probe every confirm_interval: a path that grows narrower is noticed within about a second.
//
// An answer that comes too late still counts: what it was about did get through, and the timeout grows.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "vswitch/id.h"

namespace weft {

class PathSearch {
  public:
    static constexpr std::uint16_t base = 1280;      // nearly every path carries it (RFC 8200 section 5)
    static constexpr std::uint16_t least_v4 = 576;   // RFC 791 section 3.1
    static constexpr std::uint16_t least_v6 = 1280;  // RFC 8200 section 5
    static constexpr unsigned max_tries = 3;         // RFC 8899 section 5.1.2: MAX_PROBES
    static constexpr Duration confirm_interval = std::chrono::milliseconds{200};
    static constexpr Duration raise_after = std::chrono::minutes{10};  // PMTU_RAISE_TIMER
    static constexpr Duration unreachable_retry = std::chrono::seconds{1};

    struct Probe {
        std::uint64_t id = 0;
        std::uint16_t size = 0;
    };

    PathSearch() noexcept = default;

    explicit PathSearch(std::uint16_t most) noexcept : most_(most), limit_(most), settled_(most) {}

    // Begins with nothing known. `seed`: the high half of all identifiers, different for each worker.
    void start(std::uint32_t seed, bool ipv6) noexcept;
    void stop() noexcept;

    [[nodiscard]] bool started() const noexcept { return started_; }

    [[nodiscard]] std::uint16_t limit() const noexcept { return limit_; }

    [[nodiscard]] std::uint16_t settled() const noexcept { return settled_; }

    [[nodiscard]] std::uint16_t most() const noexcept { return most_; }

    [[nodiscard]] bool searching() const noexcept { return searching_; }

    // The probe that is due, which must then be sent. limit() and settled() may have changed.
    [[nodiscard]] std::optional<Probe> next(Instant now) noexcept;

    // Whether the probe was this one's, and not another worker's.
    [[nodiscard]] bool owns(std::uint64_t id) const noexcept { return id >> 32U == next_id_ >> 32U; }

    // False: no probe that waits for its answer.
    bool answered(std::uint64_t id, Instant now) noexcept;

    // Packets of more than `base` are being sent.
    void note_large() noexcept { large_ = true; }

    void refused() noexcept;         // the kernel would not send one of ours: too large for its own device
    void moved(bool ipv6) noexcept;  // the peer is reached by another path

  private:
    struct Sent {
        std::uint64_t id = 0;
        std::uint16_t size = 0;
        Instant at;
    };

    [[nodiscard]] Duration timeout() const noexcept;
    void aim(std::uint16_t size) noexcept;
    void failed(std::uint16_t size, Instant now) noexcept;
    void fall(std::uint16_t to) noexcept;
    void search_on(Instant now) noexcept;
    void settle(Instant now) noexcept;
    [[nodiscard]] std::uint16_t between_bounds() const noexcept;

    std::uint16_t least_ = least_v4;
    std::uint16_t most_ = UINT16_MAX;
    std::uint16_t limit_ = UINT16_MAX;
    std::uint16_t settled_ = UINT16_MAX;
    std::uint16_t confirmed_ = 0;  // the largest that got through; 0: nothing yet
    std::uint32_t failed_ = 0;     // the smallest that did not
    std::uint16_t target_ = 0;     // what is being tried; 0: nothing
    unsigned tries_ = 0;           // probes of that size
    bool started_ = false;
    bool searching_ = false;
    bool settled_untried_ = false;  // in this search
    bool large_ = false;
    Instant asked_at_;  // the latest probe
    Instant wait_until_;
    Instant raise_at_ = Instant::max();
    std::optional<Duration> round_trip_;
    std::uint64_t next_id_ = 0;
    std::array<Sent, 16> sent_{};  // the latest probes, by id
};

}  // namespace weft
