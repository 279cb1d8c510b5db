#include "overlay/path_search.h"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

constexpr Duration shortest_timeout = std::chrono::milliseconds{150};
constexpr Duration longest_timeout = std::chrono::seconds{1};

// Of ESP packets. Sizes to try are multiples of it, so bounds that are closer than two have met.
constexpr std::uint32_t granularity = 4;

// MTUs of real links and tunnels.
constexpr std::array<std::uint16_t, 12> usual_sizes{1300, 1380, 1400, 1420, 1440, 1448,
                                                    1472, 1480, 1492, 1500, 4352, 9000};

}  // namespace

void PathSearch::start(std::uint32_t seed, bool ipv6) noexcept {
    *this = PathSearch{most_};
    started_ = true;
    next_id_ = (std::uint64_t{seed} << 32U) + 1;
    moved(ipv6);
}

void PathSearch::stop() noexcept {
    *this = PathSearch{most_};
}

// The limit stands until its probes have failed.
void PathSearch::moved(bool ipv6) noexcept {
    if (!started_) return;
    least_ = std::min(ipv6 ? least_v6 : least_v4, most_);
    wait_until_ = Instant{};
    confirmed_ = 0;
    failed_ = most_ + 1U;
    searching_ = true;
    settled_untried_ = true;
    raise_at_ = Instant::max();
    aim(std::min(base, most_));
}

Duration PathSearch::timeout() const noexcept {
    if (!round_trip_) return longest_timeout;
    return std::clamp(2 * *round_trip_, shortest_timeout, longest_timeout);
}

void PathSearch::aim(std::uint16_t size) noexcept {
    target_ = size;
    tries_ = 0;
}

std::optional<PathSearch::Probe> PathSearch::next(Instant now) noexcept {
    if (!started_ || now < wait_until_) return std::nullopt;
    if (target_ != 0 && tries_ > 0) {
        if (now - asked_at_ < timeout()) return std::nullopt;
        if (tries_ >= max_tries) failed(target_, now);
        if (now < wait_until_) return std::nullopt;
    }
    if (target_ == 0 && now >= raise_at_) {
        searching_ = true;
        failed_ = most_ + 1U;
        aim(most_);
    }
    if (target_ == 0 && large_ && now - asked_at_ >= confirm_interval) aim(limit_);
    if (target_ == 0) return std::nullopt;
    if (target_ == limit_) large_ = false;
    ++tries_;
    asked_at_ = now;
    const Probe probe{next_id_++, target_};
    sent_[probe.id % sent_.size()] = {probe.id, probe.size, now};
    return probe;
}

bool PathSearch::answered(std::uint64_t id, Instant now) noexcept {
    Sent& sent = sent_[id % sent_.size()];
    if (!started_ || sent.id != id || sent.size == 0) return false;
    const Duration took = now - sent.at;
    round_trip_ = round_trip_ ? std::max(took, (7 * *round_trip_ + took) / 8) : took;
    const std::uint16_t size = std::exchange(sent.size, std::uint16_t{0});
    confirmed_ = std::max(confirmed_, size);
    failed_ = std::max<std::uint32_t>(failed_, size + 1U);
    limit_ = std::max(limit_, size);
    wait_until_ = Instant{};
    if (size < target_) return true;
    target_ = 0;
    if (searching_) search_on(now);
    return true;
}

// What has got through before and does not any more is a black hole. If not even the least gets an answer,
// the peer is out of reach, which says nothing of sizes. Each failure may as well mean that the path has
// become narrower still, so what is being sent is confirmed before the search goes on.
void PathSearch::failed(std::uint16_t size, Instant now) noexcept {
    target_ = 0;
    if (size <= least_) {
        fall(least_);
        wait_until_ = now + unreachable_retry;
    } else if (size <= confirmed_) {
        fall(size > base ? base : least_);
    } else if (confirmed_ == 0) {
        fall(least_);
    } else {
        failed_ = std::min<std::uint32_t>(failed_, size);
        limit_ = std::min(limit_, confirmed_);
        aim(limit_);
    }
}

void PathSearch::fall(std::uint16_t to) noexcept {
    limit_ = std::min(to, most_);
    confirmed_ = 0;
    failed_ = most_ + 1U;
    searching_ = true;
    settled_untried_ = true;
    raise_at_ = Instant::max();
    aim(limit_);
}

void PathSearch::refused() noexcept {
    if (!started_) return;
    if (target_ > limit_) {
        tries_ = max_tries;  // a probe: it will not get an answer
        asked_at_ = Instant{};
    } else if (limit_ > base) {
        fall(base);
    }
}

void PathSearch::search_on(Instant now) noexcept {
    if (std::exchange(settled_untried_, false) && settled_ > confirmed_) return aim(settled_);
    if (failed_ - confirmed_ < 2 * granularity) return settle(now);
    aim(between_bounds());
}

void PathSearch::settle(Instant now) noexcept {
    searching_ = false;
    limit_ = settled_ = confirmed_;
    raise_at_ = settled_ < most_ ? now + raise_after : Instant::max();
}

std::uint16_t PathSearch::between_bounds() const noexcept {
    if (failed_ > most_) return most_;
    const std::uint32_t middle = (confirmed_ + failed_) / 2;
    const auto distance = [&](std::uint16_t size) { return size > middle ? size - middle : middle - size; };
    auto best = static_cast<std::uint16_t>(middle / granularity * granularity);
    std::uint32_t nearest = (failed_ - confirmed_) / 3;
    for (const std::uint16_t size : usual_sizes) {
        if (size <= confirmed_ || size >= failed_ || distance(size) >= nearest) continue;
        nearest = distance(size);
        best = size;
    }
    return best;
}

}  // namespace weft
