// Which sequence numbers have been seen: the sliding window of RFC 4303 section 3.4.3 as a ring of words (RFC
// 6479: the window moves by clearing whole words, never by shifting). 64-bit numbers. check() before the
// integrity check, mark() only after it: an attacker without the key must not move the window.
//
//                    too old | judged one by one, `size` numbers      | fresh
//   ... -----------------------|-------------------------------------[highest] ------------ ...
//
// Bit n % 64 of word n / 64 % words is number n. The ring has more words than the window needs, so the word
// that the highest number has just entered is never one that the window's old end still uses. 0 is never
// fresh: no sender uses it.
//
// Another process can go on with a window by its highest number and what was seen of those just before it
// (Recent); the older ones count as seen then.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace weft {

class ReplayWindow {
  public:
    static constexpr std::size_t default_size = 8192;

    enum class Answer : std::uint8_t { fresh, replayed, too_old };

    // Bit n % 64 of word n / 64: whether the number highest() - n was seen.
    static constexpr std::size_t recent_numbers = 1024;
    using Recent = std::array<std::uint64_t, recent_numbers / 64>;

    // The `size` numbers up to the highest one are judged singly; rounded up to a multiple of 64, at
    // least 64. `highest` and everything below it counts as seen.
    explicit ReplayWindow(std::size_t size = default_size, std::uint64_t highest = 0);

    // The same, but for what is not in `recent`.
    ReplayWindow(std::size_t size, std::uint64_t highest, const Recent& recent);

    [[nodiscard]] Answer check(std::uint64_t sequence) const noexcept {
        if (sequence == 0) return Answer::replayed;
        if (sequence > highest_) return Answer::fresh;
        if (highest_ - sequence >= size_) return Answer::too_old;
        return (words_[index_of(sequence)] & bit_of(sequence)) != 0 ? Answer::replayed : Answer::fresh;
    }

    // `sequence` is one that check() called fresh.
    void mark(std::uint64_t sequence) noexcept {
        if (sequence > highest_) advance(sequence);
        words_[index_of(sequence)] |= bit_of(sequence);
    }

    void prefetch(std::uint64_t sequence) const noexcept { __builtin_prefetch(&words_[index_of(sequence)]); }

    [[nodiscard]] std::uint64_t highest() const noexcept { return highest_; }

    [[nodiscard]] Recent recent() const noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

  private:
    static constexpr unsigned word_bits = 64;

    [[nodiscard]] std::size_t index_of(std::uint64_t sequence) const noexcept {
        return sequence / word_bits & (words_.size() - 1);
    }

    static std::uint64_t bit_of(std::uint64_t sequence) noexcept {
        return std::uint64_t{1} << (sequence % word_bits);
    }

    // Most packets stay in the word of the one before.
    void advance(std::uint64_t sequence) noexcept {
        if (sequence / word_bits != highest_ / word_bits) clear_entered(sequence);
        highest_ = sequence;
    }

    void clear_entered(std::uint64_t sequence) noexcept;

    std::size_t size_;
    std::vector<std::uint64_t> words_;  // a power of two
    std::uint64_t highest_;
};

}  // namespace weft
