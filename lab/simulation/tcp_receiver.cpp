#include "lab/simulation/tcp_receiver.h"

#include <algorithm>

namespace weft::lab {

namespace {

constexpr std::size_t max_ranges = 4096;  // further ones are not remembered, and sent again

// Sequence numbers go round: a is before b if it is less than half of the way to it.
bool before(std::uint32_t a, std::uint32_t b) noexcept {
    return static_cast<std::int32_t>(a - b) < 0;
}

}  // namespace

void TcpReceiver::receive(const TcpSegment& segment) {
    if (segment.has(TcpHeader::syn)) {
        if (open_ && segment.sequence + 1 != next_) return;
        open_ = true;
        next_ = segment.sequence + 1;
        return acknowledge(TcpHeader::syn | TcpHeader::ack, sequence_);
    }
    if (!open_) return;
    const auto size = static_cast<std::uint32_t>(segment.payload);
    if (size > 0) take(segment.sequence, segment.sequence + size);
    const bool is_end = segment.has(TcpHeader::fin) && segment.sequence + size + (closed_ ? 1 : 0) == next_;
    if (is_end) {
        if (!closed_) ++next_;
        closed_ = true;
        return acknowledge(TcpHeader::fin | TcpHeader::ack, sequence_ + 1);
    }
    if (size > 0) acknowledge(TcpHeader::ack, sequence_ + 1);
}

void TcpReceiver::take(std::uint32_t begin, std::uint32_t end) {
    if (!before(next_, end)) {
        ++duplicates_;
        return;
    }
    if (!before(next_, begin)) {
        received_ += end - next_;
        next_ = end;
        const auto joins = [&](const TcpSegment::Block& range) { return !before(next_, range.begin); };
        for (auto range = std::ranges::find_if(beyond_, joins); range != beyond_.end();
             range = std::ranges::find_if(beyond_, joins)) {
            if (before(next_, range->end)) {
                received_ += range->end - next_;
                next_ = range->end;
            }
            beyond_.erase(range);
        }
        return;
    }
    TcpSegment::Block joined{begin, end};
    bool is_new = true;
    std::erase_if(beyond_, [&](const TcpSegment::Block& range) {
        if (before(range.end, joined.begin) || before(joined.end, range.begin)) return false;
        if (!before(begin, range.begin) && !before(range.end, end)) is_new = false;
        if (before(range.begin, joined.begin)) joined.begin = range.begin;
        if (before(joined.end, range.end)) joined.end = range.end;
        return true;
    });
    if (!is_new) ++duplicates_;
    if (beyond_.size() < max_ranges) beyond_.insert(beyond_.begin(), joined);
}

void TcpReceiver::acknowledge(std::uint8_t flags, std::uint32_t sequence) {
    TcpSegment segment{
        .sequence = sequence, .acknowledgment = next_, .flags = flags, .max_segment = std::nullopt};
    if ((flags & TcpHeader::syn) != 0) {
        segment.max_segment = segment_size_;
    } else {
        segment.blocks = std::min(beyond_.size(), TcpSegment::max_blocks);
        std::copy_n(beyond_.begin(), segment.blocks, segment.block.begin());
    }
    send_(segment);
}

}  // namespace weft::lab
