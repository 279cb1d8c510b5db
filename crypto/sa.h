// Security associations (RFC 4301 section 4.1): one direction, one key, one SPI.
//
// An OutboundSa hands out each sequence number once and uses it as the explicit IV too, so that a nonce
// cannot come twice under a key; past `limit` it seals nothing more. An InboundSa keeps the replay window,
// and infers the high half of the 64-bit sequence number, of which only the low half travels (RFC 4303
// appendix A2).
//
// Nonce (RFC 4106 section 4, RFC 7634 section 2): 4 bytes of salt, then the 8-byte IV.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "crypto/aead.h"
#include "crypto/key.h"
#include "crypto/replay_window.h"

namespace weft {

// What both ends must agree on. `key` holds key_size(cipher) bytes, the rest is unused.
struct SaKeys {
    std::uint32_t spi = 0;
    Cipher cipher = Cipher::aes_128_gcm;
    Secret<32> key;
    std::array<std::uint8_t, 4> salt{};

    [[nodiscard]] SaKeys clone() const noexcept;
};

class OutboundSa {
  public:
    // A key seals at most this many packets; far below GCM's bounds, rekeying comes long before.
    static constexpr std::uint64_t max_packets = std::uint64_t{1} << 48U;

    // The first packet gets sequence number `first`, at least 1 or this aborts; the last one gets `limit`, or
    // max_packets if that is less. A `first` past the limit is exhausted from the start.
    explicit OutboundSa(const SaKeys& keys, std::uint64_t first = 1, std::uint64_t limit = max_packets);

    [[nodiscard]] std::uint32_t spi() const noexcept { return spi_; }

    [[nodiscard]] std::uint64_t next_sequence() const noexcept { return next_; }

    [[nodiscard]] bool exhausted() const noexcept { return next_ > limit_; }

    // Allows more numbers (a manual SA whose reservation on disk has grown). Never lowers; aborts if it
    // would.
    void raise_limit(std::uint64_t limit) noexcept;

    void prefetch() const noexcept { aead_.prefetch(); }

  private:
    friend struct Esp;

    // A number that was never handed out before; aborts when there is none.
    std::uint64_t take_sequence() noexcept {
        if (exhausted()) std::abort();
        return next_++;
    }

    std::uint32_t spi_;
    std::uint64_t next_;
    std::uint64_t limit_;
    std::array<std::uint8_t, 4> salt_;
    Aead aead_;
};

class InboundSa {
  public:
    // Sequence numbers up to `highest` count as seen.
    explicit InboundSa(const SaKeys& keys, std::size_t replay_window = ReplayWindow::default_size,
                       std::uint64_t highest = 0);

    [[nodiscard]] std::uint32_t spi() const noexcept { return spi_; }

    [[nodiscard]] const ReplayWindow& window() const noexcept { return window_; }

    // For a packet with this low half of its sequence number.
    void prefetch(std::uint32_t low) const noexcept {
        aead_.prefetch();
        window_.prefetch(low);
    }

    // The 64-bit sequence number that `low` stands for: the first one with that low half that is not below
    // the window (RFC 4303 appendix A2.2, both of its cases). A wrong guess fails the integrity check, which
    // covers the high half.
    [[nodiscard]] std::uint64_t infer_sequence(std::uint32_t low) const noexcept {
        const std::uint64_t below_highest = std::min<std::uint64_t>(window_.size() - 1, window_.highest());
        const std::uint64_t bottom = window_.highest() - below_highest;
        return bottom + (low - static_cast<std::uint32_t>(bottom));  // the difference is modulo 2^32
    }

  private:
    friend struct Esp;

    std::uint32_t spi_;
    std::array<std::uint8_t, 4> salt_;
    ReplayWindow window_;
    Aead aead_;
};

}  // namespace weft
