#include "crypto/replay_window.h"

#include <algorithm>
#include <bit>

namespace weft {

ReplayWindow::ReplayWindow(std::size_t size, std::uint64_t highest)
    : size_((std::max<std::size_t>(size, word_bits) + word_bits - 1) / word_bits * word_bits),
      words_(std::bit_ceil(size_ / word_bits + 1), ~std::uint64_t{0}),
      highest_(highest) {
    // Words ahead are cleared when they are entered; this one has been.
    words_[index_of(highest)] = bit_of(highest) | (bit_of(highest) - 1);
}

// The highest number itself was seen, whatever `recent` says.
ReplayWindow::ReplayWindow(std::size_t size, std::uint64_t highest, const Recent& recent)
    : ReplayWindow(size, highest) {
    const auto below = std::min<std::uint64_t>({highest, size_, recent_numbers});
    for (std::uint64_t n = 1; n < below; ++n) {
        if ((recent[n / word_bits] & bit_of(n)) == 0) words_[index_of(highest - n)] &= ~bit_of(highest - n);
    }
}

ReplayWindow::Recent ReplayWindow::recent() const noexcept {
    Recent seen{};
    for (std::uint64_t n = 0; n < recent_numbers; ++n) {
        if (n > highest_ || check(highest_ - n) != Answer::fresh) seen[n / word_bits] |= bit_of(n);
    }
    return seen;
}

void ReplayWindow::clear_entered(std::uint64_t sequence) noexcept {
    const std::uint64_t entered =
        std::min<std::uint64_t>(sequence / word_bits - highest_ / word_bits, words_.size());
    for (std::uint64_t i = 0; i < entered; ++i) words_[index_of(sequence - i * word_bits)] = 0;
}

}  // namespace weft
