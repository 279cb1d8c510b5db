// Packets under way, each with the time of its arrival. Those that come in the order of their arrival, and
// nearly all do, stand in a ring; one that overtakes others goes into a heap beside it. So a packet costs the
// same whether one or ten thousand are under way, nothing is done while none is due, and an idle link has no
// memory. Packets that arrive at the same instant do so in the order in which they came.
//
// Ring and heap grow when more is under way than ever before, up to what the pool has.
#pragma once

#include <cstdint>
#include <vector>

#include "vswitch/id.h"
#include "vswitch/packet.h"

namespace weft {

class DelayLine {
  public:
    void push(Packet packet, Instant due);

    // When the first one arrives; Instant::max(): none is under way.
    [[nodiscard]] Instant next() const noexcept;

    // The first one; there must be one.
    [[nodiscard]] Packet pop() noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return count_ + heap_.size(); }

    // Those that are not there by `at` never arrive. Returns how many.
    std::size_t cut(Instant at) noexcept;

  private:
    struct Entry {
        Instant due;
        std::uint64_t sequence = 0;
        Packet packet;
    };

    // For the heap, whose first is the earliest.
    struct Later {
        bool operator()(const Entry& a, const Entry& b) const noexcept {
            return a.due != b.due ? a.due > b.due : a.sequence > b.sequence;
        }
    };

    [[nodiscard]] Entry& at(std::size_t index) noexcept {
        return ring_[(first_ + index) & (ring_.size() - 1)];
    }

    [[nodiscard]] const Entry& at(std::size_t index) const noexcept {
        return ring_[(first_ + index) & (ring_.size() - 1)];
    }

    [[nodiscard]] bool heap_is_first() const noexcept;
    void grow();

    std::vector<Entry> ring_;  // a power of two, or none
    std::size_t first_ = 0;
    std::size_t count_ = 0;
    std::vector<Entry> heap_;
    std::uint64_t sequence_ = 0;
};

}  // namespace weft
