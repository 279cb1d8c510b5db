// Numbers that say whether a decision still holds. What a decision can be made from has one each: the node's
// policy (its routes, and what peers may send), every bridge, every port. A decision is stamped with those
// that it was made from; whatever changes raises its own number, one store, and all that depended on it is
// stale from then on. Nobody has to find it, and nothing else is touched.
//
// A stamp holds the sum of its numbers. They only grow, so the sum is what it was if and only if each of them
// is (unless one grows by 2^32 in the life of a stamp).
//
// Owner: one worker raises and asks. The numbers may lie in memory that others read (use()), each of them
// whole.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

#include "vswitch/id.h"

namespace weft {

class Generations {
  public:
    using Index = std::uint32_t;

    static constexpr std::size_t size = 65536;
    static constexpr Index never = 0;  // is not raised
    static constexpr Index policy = 1;

    // Ids are small. Two that share a number, 32767 apart, cost a decision more, no more.
    static constexpr Index of(PortId port) noexcept { return 2 + 2 * (Index{port.value()} % 32767); }

    static constexpr Index of(BridgeId bridge) noexcept { return 3 + 2 * (Index{bridge.value()} % 32767); }

    struct Stamp {
        std::array<Index, 4> on{never, never, never, never};
        std::uint64_t sum = 0;

        friend bool operator==(const Stamp&, const Stamp&) noexcept = default;
    };

    Generations() : own_(static_cast<std::uint32_t*>(std::calloc(size, sizeof(std::uint32_t)))) {
        if (!own_) throw std::bad_alloc();
        numbers_ = own_.get();
    }

    Generations(const Generations&) = delete;
    Generations& operator=(const Generations&) = delete;

    // Keeps the numbers there from now on: `size` of them; nullptr: in memory of its own again. All stamps
    // are void.
    void use(std::uint32_t* numbers) noexcept { numbers_ = numbers == nullptr ? own_.get() : numbers; }

    void raise(Index index) noexcept { __atomic_fetch_add(numbers_ + index, 1, __ATOMIC_RELEASE); }

    [[nodiscard]] Stamp stamp(const std::array<Index, 4>& on) const noexcept { return {on, sum(on)}; }

    [[nodiscard]] std::uint32_t number(Index index) const noexcept {
        return __atomic_load_n(numbers_ + index, __ATOMIC_ACQUIRE);
    }

    [[nodiscard]] bool holds(const Stamp& stamp) const noexcept { return sum(stamp.on) == stamp.sum; }

  private:
    struct Free {
        void operator()(std::uint32_t* memory) const noexcept { std::free(memory); }
    };

    [[nodiscard]] std::uint64_t sum(const std::array<Index, 4>& on) const noexcept {
        std::uint64_t sum = 0;
        for (const Index index : on) sum += number(index);
        return sum;
    }

    std::unique_ptr<std::uint32_t, Free> own_;  // its pages are touched only where something was raised
    std::uint32_t* numbers_ = nullptr;
};

}  // namespace weft
