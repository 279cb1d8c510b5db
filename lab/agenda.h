// Which of a fixed number of things is due first; of those that are due at the same time, the one with the
// lowest number. So whoever follows it does the same things in the same order each time.
//
// A binary heap that knows where each thing stands in it: another time for a thing costs the logarithm of how
// many wait. Nothing is allocated after construction.
#pragma once

#include <cstdint>
#include <vector>

#include "vswitch/id.h"

namespace weft::lab {

class Agenda {
  public:
    explicit Agenda(std::size_t things) : at_(things, never), place_(things, absent) {
        heap_.reserve(things);
    }

    static constexpr Instant never = Instant::max();

    void set(std::uint32_t thing, Instant at) noexcept {
        if (at_[thing] == at) return;
        at_[thing] = at;
        std::uint32_t place = place_[thing];
        if (at == never) return remove(place);
        if (place == absent) {
            place = static_cast<std::uint32_t>(heap_.size());
            heap_.push_back(thing);
            place_[thing] = place;
        }
        sink(rise(place));
    }

    [[nodiscard]] Instant next() const noexcept { return heap_.empty() ? never : at_[heap_.front()]; }

    // There is one: next() is not never.
    [[nodiscard]] std::uint32_t first() const noexcept { return heap_.front(); }

  private:
    static constexpr std::uint32_t absent = 0xFFFF'FFFF;

    [[nodiscard]] bool earlier(std::uint32_t a, std::uint32_t b) const noexcept {
        return at_[a] != at_[b] ? at_[a] < at_[b] : a < b;
    }

    void put(std::uint32_t place, std::uint32_t thing) noexcept {
        heap_[place] = thing;
        place_[thing] = place;
    }

    std::uint32_t rise(std::uint32_t place) noexcept {
        const std::uint32_t thing = heap_[place];
        while (place > 0) {
            const std::uint32_t above = (place - 1) / 2;
            if (!earlier(thing, heap_[above])) break;
            put(place, heap_[above]);
            place = above;
        }
        put(place, thing);
        return place;
    }

    void sink(std::uint32_t place) noexcept {
        const std::uint32_t thing = heap_[place];
        const auto size = static_cast<std::uint32_t>(heap_.size());
        for (;;) {
            std::uint32_t below = 2 * place + 1;
            if (below >= size) break;
            if (below + 1 < size && earlier(heap_[below + 1], heap_[below])) ++below;
            if (!earlier(heap_[below], thing)) break;
            put(place, heap_[below]);
            place = below;
        }
        put(place, thing);
    }

    void remove(std::uint32_t place) noexcept {
        place_[heap_[place]] = absent;
        const std::uint32_t last = heap_.back();
        heap_.pop_back();
        if (place == heap_.size()) return;
        put(place, last);
        sink(rise(place));
    }

    std::vector<Instant> at_;           // by thing
    std::vector<std::uint32_t> place_;  // by thing: in heap_
    std::vector<std::uint32_t> heap_;
};

}  // namespace weft::lab
