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

void ReplayWindow::clear_entered(std::uint64_t sequence) noexcept {
    const std::uint64_t entered =
        std::min<std::uint64_t>(sequence / word_bits - highest_ / word_bits, words_.size());
    for (std::uint64_t i = 0; i < entered; ++i) words_[index_of(sequence - i * word_bits)] = 0;
}

}  // namespace weft
