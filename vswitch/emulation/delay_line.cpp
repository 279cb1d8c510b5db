#include "vswitch/emulation/delay_line.h"

#include <algorithm>
#include <utility>

namespace weft {

void DelayLine::push(Packet packet, Instant due) {
    Entry entry{due, sequence_++, std::move(packet)};
    if (count_ > 0 && due < at(count_ - 1).due) {
        heap_.push_back(std::move(entry));
        std::ranges::push_heap(heap_, Later{});
        return;
    }
    if (count_ == ring_.size()) grow();
    at(count_++) = std::move(entry);
}

void DelayLine::grow() {
    constexpr std::size_t least = 16;
    std::vector<Entry> larger(std::max(least, 2 * ring_.size()));
    for (std::size_t i = 0; i < count_; ++i) larger[i] = std::move(at(i));
    ring_ = std::move(larger);
    first_ = 0;
}

bool DelayLine::heap_is_first() const noexcept {
    return !heap_.empty() && (count_ == 0 || Later{}(at(0), heap_.front()));
}

Instant DelayLine::next() const noexcept {
    if (heap_is_first()) return heap_.front().due;
    return count_ == 0 ? Instant::max() : at(0).due;
}

Packet DelayLine::pop() noexcept {
    if (heap_is_first()) {
        std::ranges::pop_heap(heap_, Later{});
        Packet packet = std::move(heap_.back().packet);
        heap_.pop_back();
        return packet;
    }
    Packet packet = std::move(at(0).packet);
    first_ = (first_ + 1) & (ring_.size() - 1);
    --count_;
    return packet;
}

std::size_t DelayLine::cut(Instant at_time) noexcept {
    const std::size_t before = size();
    while (count_ > 0 && at(count_ - 1).due > at_time) at(--count_).packet = Packet{};
    std::erase_if(heap_, [&](const Entry& entry) { return entry.due > at_time; });
    std::ranges::make_heap(heap_, Later{});
    return before - size();
}

}  // namespace weft
