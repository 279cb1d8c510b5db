// Security associations (RFC 4301 section 4.1): one direction, one key, one SPI.
//
// An OutboundSa hands out each sequence number once and uses it as the explicit IV too, so that a nonce
// cannot come twice under a key; past its limits it seals nothing more. An InboundSa keeps the replay window,
// and infers the high half of the 64-bit sequence number, of which only the low half travels (RFC 4303
// appendix A2).
//
// Both keep their keys, so that another process can go on with them (overlay/carried_session.h).
//
// Nonce (RFC 4106 section 4, RFC 7634 section 2): 4 bytes of salt, then the 8-byte IV.
//
// How much one key may do. An advantage is an attacker's chance to tell the cipher from an ideal one;
// RFC 8446 section 5.5 and RFC 9001 section 6.6 ask for 2^-57 or less.
//
//   Secrecy, AES-GCM     2^36 bytes. They are counted as sent, header and ICV included, so that they are no
//                        less than 16 for each block that AES enciphers, the one for the tag among them: 2^32
//                        blocks. Advantage (2^32 + 1)^2 / 2^129, which is 2^-65 (Luykx and Paterson, Limits
//                        on Authenticated Encryption Use in TLS); by the formula of RFC 9001 appendix B.1.1,
//                        2 * (2^32)^2 / 2^128, 2^-63. The RFCs' own limits are at 2^38 to 2^39 bytes.
//   Secrecy, ChaCha20    no such bound: the cipher is no permutation, and its blocks tell nothing by not
//                        being repeated. 2^48 packets.
//   Forgery, AES-GCM     2 * (l + 1) / 2^128 for each attempt of l blocks (RFC 9001 appendix B.1.2)
//   Forgery, Poly1305    8 * l / 2^106 for each (RFC 9001 section 6.6; 2^36 attempts of 2^14 bytes: 2^-57)
//
// Attempts are not counted: what bounds them is the 180 s that a session lives (overlay/peer.h), in which a
// line of 100 Gbit/s brings 2^37 blocks: 2^-66 with Poly1305, far less with GCM.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>

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
    static constexpr std::uint64_t max_packets = std::uint64_t{1} << 48U;
    static constexpr std::uint64_t max_bytes_of_gcm = std::uint64_t{1} << 36U;
    static constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

    static constexpr std::uint64_t max_bytes(Cipher cipher) noexcept {
        return cipher == Cipher::chacha20_poly1305 ? unlimited : max_bytes_of_gcm;
    }

    // Of a key that is used from now on and never again: max_packets and max_bytes().
    explicit OutboundSa(const SaKeys& keys);

    // The first packet gets sequence number `first`, at least 1 or this aborts; the last one gets `limit`, or
    // max_packets if that is less. A `first` past the limit is exhausted from the start. All packets together
    // have `bytes` at most, if that is no less than the largest datagram.
    OutboundSa(const SaKeys& keys, std::uint64_t first, std::uint64_t limit = max_packets,
               std::uint64_t bytes = unlimited);

    [[nodiscard]] std::uint32_t spi() const noexcept { return keys_.spi; }

    [[nodiscard]] const SaKeys& keys() const noexcept { return keys_; }  // void once it is wiped

    [[nodiscard]] std::uint64_t next_sequence() const noexcept { return next_; }

    [[nodiscard]] std::uint64_t sealed_bytes() const noexcept { return bytes_; }

    [[nodiscard]] bool exhausted() const noexcept { return next_ > limit_ || bytes_ > last_start_; }

    // Time for another: an eighth is left. Of GCM's bytes that is 7 s at 10 Gbit/s.
    [[nodiscard]] bool running_out() const noexcept {
        return next_ > limit_ / 8 * 7 || bytes_ > last_start_ / 8 * 7;
    }

    // Forgets the key; exhausted from then on.
    void wipe() noexcept;

    // Allows more numbers (a manual SA whose reservation on disk has grown). Never lowers; aborts if it
    // would.
    void raise_limit(std::uint64_t limit) noexcept;

    // Goes on from where another process has got to with these keys: the next number is `next`, and `bytes`
    // were sealed. Never goes back; aborts if it would.
    void skip_to(std::uint64_t next, std::uint64_t bytes) noexcept;

    void prefetch() const noexcept { aead_.prefetch(); }

  private:
    friend struct Esp;

    // A number that was never handed out before, for a packet of this size; aborts when there is none.
    std::uint64_t take_sequence(std::size_t packet_size) noexcept {
        if (exhausted()) std::abort();
        bytes_ += packet_size;
        return next_++;
    }

    SaKeys keys_;
    std::uint64_t next_;
    std::uint64_t limit_;
    std::uint64_t bytes_ = 0;
    std::uint64_t last_start_;  // a packet may begin up to here
    Aead aead_;
};

class InboundSa {
  public:
    // Sequence numbers up to `highest` count as seen.
    explicit InboundSa(const SaKeys& keys, std::size_t replay_window = ReplayWindow::default_size,
                       std::uint64_t highest = 0);

    // With a window that another process has come to.
    InboundSa(const SaKeys& keys, ReplayWindow window);

    [[nodiscard]] std::uint32_t spi() const noexcept { return keys_.spi; }

    [[nodiscard]] const SaKeys& keys() const noexcept { return keys_; }

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

    SaKeys keys_;
    ReplayWindow window_;
    Aead aead_;
};

}  // namespace weft
