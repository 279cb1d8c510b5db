#include "lab/simulation/tcp_sender.h"

#include <algorithm>
#include <chrono>

namespace weft::lab {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t duplicates = 3;
constexpr Duration least_timeout = 200ms;  // as Linux; RFC 6298 would have a second
constexpr Duration greatest_timeout = 60s;
constexpr double least_window = 2;
constexpr int bits_per_nanosecond = 1;  // the interface's rate

}  // namespace

void TcpSender::start(Instant now) {
    if (state_ != State::idle) return;
    state_ = State::syn_sent;
    syn_at_ = now;
    send_control(TcpHeader::syn, options_.initial_sequence);
    arm(now);
}

void TcpSender::close(Instant now) {
    closing_ = true;
    if (state_ == State::idle || state_ == State::syn_sent) {
        state_ = State::done;
        timeout_at_ = Instant::max();
    }
    close_if_empty(now);
}

void TcpSender::run(Instant now) {
    if (now >= timeout_at_) time_out(now);
    if (now < paced_at_) return;
    paced_at_ = Instant::max();
    send_more(now);
}

void TcpSender::receive(const TcpSegment& segment, Instant now) {
    if (!segment.has(TcpHeader::ack)) return;
    if (state_ == State::syn_sent) return connected(segment, now);
    if (segment.has(TcpHeader::syn)) return send_control(TcpHeader::ack, sequence_of(first_));  // once more
    if (state_ == State::fin_sent) {
        if (segment.acknowledgment != sequence_of(first_) + 1) return;
        if (segment.has(TcpHeader::fin)) {
            peer_sequence_ = segment.sequence + 1;
            send_control(TcpHeader::ack, sequence_of(first_) + 1);
        }
        state_ = State::done;
        timeout_at_ = Instant::max();
        return;
    }
    if (state_ != State::established) return;
    const std::uint64_t arrived = take_acknowledgment(segment.acknowledgment, now);
    take_blocks(segment);
    const bool more_lost = find_lost();
    if (recovering_ && first_ >= recovered_) recovering_ = false;
    if (more_lost && first_ >= recovered_) recover();
    if (!recovering_) grow(arrived);
    send_more(now);
    close_if_empty(now);
}

void TcpSender::connected(const TcpSegment& segment, Instant now) {
    if (!segment.has(TcpHeader::syn) || segment.acknowledgment != sequence_of(0)) return;
    state_ = State::established;
    peer_sequence_ = segment.sequence + 1;
    // What the receiver takes, or a router on the way has room for (RFC 9293 section 3.7.1).
    const std::size_t taken = std::max<std::size_t>(segment.max_segment.value_or(536), 1);
    options_.segment_size = std::min(options_.segment_size, taken);
    if (!syn_again_) measure(now - syn_at_);
    timeout_at_ = Instant::max();
    send_control(TcpHeader::ack, sequence_of(0));
    send_more(now);
}

// The segment that begins at or before a sequence number near those under way; what is behind them is theirs
// no more.
std::uint64_t TcpSender::segment_at(std::uint32_t sequence) const noexcept {
    const auto off = static_cast<std::int32_t>(sequence - sequence_of(first_));
    if (off <= 0) return first_;
    return std::min(first_ + static_cast<std::uint32_t>(off) / options_.segment_size, under_way_end());
}

// How many segments it is about that were not known to have arrived.
std::uint64_t TcpSender::take_acknowledgment(std::uint32_t acknowledgment, Instant now) {
    const std::uint64_t to = segment_at(acknowledgment);
    if (to == first_) return 0;
    std::uint64_t arrived = 0;
    std::optional<Duration> rtt;
    counters_.acknowledged_bytes += (to - first_) * options_.segment_size;
    while (first_ < to) {
        const Sent& sent = board_.front();
        if (!sent.arrived) {
            ++arrived;
            if (!sent.lost) --pipe_;
            if (!sent.again) rtt = now - sent.at;
        }
        board_.pop_front();
        ++first_;
    }
    highest_ = std::max(highest_, first_);
    judged_ = std::max(judged_, first_);
    again_ = std::max(again_, first_);
    if (rtt) measure(*rtt);
    timeout_at_ = Instant::max();
    if (!board_.empty()) arm(now);
    return arrived;
}

void TcpSender::take_blocks(const TcpSegment& segment) {
    for (std::size_t i = 0; i < segment.blocks; ++i) {
        const std::uint64_t begin = segment_at(segment.block[i].begin);
        const std::uint64_t end = segment_at(segment.block[i].end);
        for (std::uint64_t at = begin; at < end; ++at) {
            Sent& sent = board_[at - first_];
            if (sent.arrived) continue;
            sent.arrived = true;
            if (!sent.lost) --pipe_;
            sent.lost = false;
        }
        highest_ = std::max(highest_, end);
    }
}

// A segment is lost when three that were sent after it have arrived. Each is judged once: what is sent again
// and lost again is left to the timer.
bool TcpSender::find_lost() {
    std::uint64_t later = 0;
    std::uint64_t below = highest_;
    while (below > judged_ && later < duplicates) {
        --below;
        if (board_[below - first_].arrived) ++later;
    }
    if (later < duplicates) return false;
    bool found = false;
    for (; judged_ < below; ++judged_) {
        Sent& sent = board_[judged_ - first_];
        if (sent.arrived || sent.lost || sent.again) continue;
        sent.lost = true;
        --pipe_;
        again_ = std::min(again_, judged_);
        found = true;
    }
    return found;
}

void TcpSender::recover() {
    threshold_ = std::max(static_cast<double>(board_.size()) / 2, least_window);
    window_ = threshold_;
    recovering_ = true;
    recovered_ = under_way_end();
    ++counters_.recoveries;
}

void TcpSender::grow(std::uint64_t arrived) {
    if (arrived == 0 || !limited_) return;
    const auto more = static_cast<double>(arrived);
    window_ += window_ < threshold_ ? more : more / window_;
    window_ = std::min(window_, static_cast<double>(options_.max_window));
}

void TcpSender::send_more(Instant now) {
    if (state_ != State::established) return;
    limited_ = true;
    while (static_cast<double>(pipe_ + 1) <= window_) {
        const bool is_again = next_lost();
        if (!is_again && (closing_ || board_.size() >= options_.max_window)) {
            limited_ = false;
            return;
        }
        if (now < free_at_) {
            paced_at_ = free_at_;
            return;
        }
        if (is_again) {
            send_data(again_, now);
        } else {
            board_.push_back({.at = now});
            send_data(under_way_end() - 1, now);
        }
        if (timeout_at_ == Instant::max()) arm(now);
    }
}

bool TcpSender::next_lost() {
    while (again_ < under_way_end() && again_ < judged_) {
        if (board_[again_ - first_].lost) return true;
        ++again_;
    }
    return false;
}

void TcpSender::send_data(std::uint64_t segment, Instant now) {
    Sent& sent = board_[segment - first_];
    ++counters_.segments;
    if (sent.lost) {
        sent.lost = false;
        sent.again = true;
        ++counters_.retransmitted;
    }
    sent.at = now;
    ++pipe_;
    const auto bits = (options_.segment_size + options_.header_size) * 8;
    free_at_ = now + Duration{static_cast<std::int64_t>(bits / bits_per_nanosecond)};
    send_({.sequence = sequence_of(segment),
           .acknowledgment = peer_sequence_,
           .flags = TcpHeader::ack,
           .max_segment = std::nullopt,
           .payload = options_.segment_size});
}

void TcpSender::send_control(std::uint8_t flags, std::uint32_t sequence) {
    TcpSegment segment{.sequence = sequence, .flags = flags, .max_segment = std::nullopt};
    if ((flags & TcpHeader::syn) != 0) {
        segment.max_segment = static_cast<std::uint16_t>(options_.segment_size);
    } else {
        segment.acknowledgment = peer_sequence_;
    }
    send_(segment);
}

void TcpSender::close_if_empty(Instant now) {
    if (!closing_ || state_ != State::established || !board_.empty()) return;
    state_ = State::fin_sent;
    send_control(TcpHeader::fin | TcpHeader::ack, sequence_of(first_));
    arm(now);
}

// RFC 6298 section 5: everything that is not known to have arrived is sent again, from a window of one
// segment.
void TcpSender::time_out(Instant now) {
    timeout_ = std::min(timeout_ * 2, greatest_timeout);
    arm(now);
    if (state_ == State::syn_sent) {
        syn_again_ = true;
        return send_control(TcpHeader::syn, options_.initial_sequence);
    }
    if (state_ == State::fin_sent) return send_control(TcpHeader::fin | TcpHeader::ack, sequence_of(first_));
    ++counters_.timeouts;
    threshold_ = std::max(static_cast<double>(pipe_) / 2, least_window);
    window_ = 1;
    recovering_ = false;
    recovered_ = under_way_end();
    for (Sent& sent : board_) {
        if (!sent.arrived) sent.lost = true;
    }
    pipe_ = 0;
    judged_ = under_way_end();
    again_ = first_;
    send_more(now);
}

void TcpSender::measure(Duration rtt) {
    round_trips_.add(rtt);
    if (smoothed_ == Duration{0}) {
        smoothed_ = rtt;
        variation_ = rtt / 2;
    } else {
        const Duration off = smoothed_ > rtt ? smoothed_ - rtt : rtt - smoothed_;
        variation_ = (variation_ * 3 + off) / 4;
        smoothed_ = (smoothed_ * 7 + rtt) / 8;
    }
    timeout_ = std::clamp<Duration>(smoothed_ + variation_ * 4, least_timeout, greatest_timeout);
}

void TcpSender::arm(Instant now) {
    timeout_at_ = now + timeout_;
}

}  // namespace weft::lab
