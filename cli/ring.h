// A bounded ring between exactly two threads, one that pushes and one that pops; neither ever waits for the
// other. The capacity is rounded up to a power of two.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace weft {

template <class T>
class Ring {
  public:
    explicit Ring(std::size_t capacity) : slots_(std::bit_ceil(capacity)) {}

    // False, and `value` untouched, if the ring is full.
    bool push(T& value) {
        const std::size_t tail = tail_.load(std::memory_order_relaxed);
        if (tail - head_.load(std::memory_order_acquire) == slots_.size()) return false;
        slots_[tail & (slots_.size() - 1)] = std::move(value);
        tail_.store(tail + 1, std::memory_order_release);
        return true;
    }

    std::optional<T> pop() {
        const std::size_t head = head_.load(std::memory_order_relaxed);
        if (head == tail_.load(std::memory_order_acquire)) return std::nullopt;
        std::optional<T> value{std::move(slots_[head & (slots_.size() - 1)])};
        slots_[head & (slots_.size() - 1)] = T{};
        head_.store(head + 1, std::memory_order_release);
        return value;
    }

  private:
    static constexpr std::size_t cache_line = 64;

    std::vector<T> slots_;
    alignas(cache_line) std::atomic<std::size_t> head_{0};
    alignas(cache_line) std::atomic<std::size_t> tail_{0};
};

}  // namespace weft
