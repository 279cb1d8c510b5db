// Whether numbers that were given to packets in order arrive in order, out of order, or once more: by the
// last 4096 of them. What arrives later than that counts as out of order.
#pragma once

#include <bitset>
#include <cstdint>

namespace weft::lab {

class SequenceWindow {
  public:
    enum class Arrival : std::uint8_t { in_order, late, again };

    Arrival note(std::uint64_t number) noexcept {
        if (number >= next_) {
            for (std::uint64_t skipped = next_; skipped < number && skipped - next_ < size; ++skipped)
                seen_[skipped % size] = false;
            seen_[number % size] = true;
            next_ = number + 1;
            return Arrival::in_order;
        }
        if (next_ - number > size) return Arrival::late;
        if (seen_[number % size]) return Arrival::again;
        seen_[number % size] = true;
        return Arrival::late;
    }

  private:
    static constexpr std::size_t size = 4096;

    std::bitset<size> seen_;
    std::uint64_t next_ = 0;
};

}  // namespace weft::lab
