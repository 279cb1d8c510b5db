// Which worker of one node sends to which worker of another, and in what security association (after RFC
// 9611). A session has one SA for each worker of the sender, so that no two threads share a sequence number.
// The receiver announces the first of `max_workers` SPIs in a row, a multiple of its own number of workers
// R: the n-th of them, and with it the packet, belongs to its worker n % R, as the underlay's sockets know
// by the SPI alone (SPI % R).
//
// The side with more workers is called large (L of them), the other small (S). Small worker i and large
// worker (rotation + i) % L are partners:
//
//   large worker w   seals with the n-th SPI, n = (w - rotation) mod L, and so reaches small worker n % S
//   small worker i   seals with the n-th SPI, n = (rotation + i) mod L, and so reaches its partner
//
//   L = 3, S = 2, rotation = 1:   w: 1 -> 0   2 -> 1   0 -> 0        i: 0 -> 1   1 -> 2
//
// So a flow that a device hands to any worker comes back, at the latest after one round trip, to one that it
// never leaves again: the kernel moves a TUN's or TAP's flow to the queue into which its answers are written,
// and a pairing without partners could send it round in circles. The rotation spreads the many small peers
// of one large node over its workers; both sides take it from their public keys, so it outlives sessions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "crypto/key.h"

namespace weft {

inline constexpr unsigned max_workers = 16;

class WorkerPairing {
  public:
    // `own` and `peer` are numbers of workers, 1 to max_workers; `rotation` is any number both sides know.
    constexpr WorkerPairing(unsigned own, unsigned peer, std::uint32_t rotation) noexcept
        : own_(own), peer_(peer), rotation_(own == peer ? 0 : rotation % (own > peer ? own : peer)) {}

    // Counted from the receiver's first SPI: that of the own worker `worker`, or of the peer's.
    [[nodiscard]] constexpr unsigned sealed_by_own(unsigned worker) const noexcept {
        return index(worker, own_, peer_);
    }

    [[nodiscard]] constexpr unsigned sealed_by_peer(unsigned worker) const noexcept {
        return index(worker, peer_, own_);
    }

    // The own worker that a packet with the n-th own SPI is for.
    [[nodiscard]] constexpr unsigned opened_by_own(unsigned n) const noexcept { return n % own_; }

    [[nodiscard]] constexpr unsigned opened_by_peer(unsigned n) const noexcept { return n % peer_; }

    [[nodiscard]] constexpr unsigned own() const noexcept { return own_; }

    [[nodiscard]] constexpr unsigned peer() const noexcept { return peer_; }

  private:
    [[nodiscard]] constexpr unsigned index(unsigned worker, unsigned sender,
                                           unsigned receiver) const noexcept {
        return sender > receiver ? (worker + sender - rotation_) % sender : (rotation_ + worker) % receiver;
    }

    unsigned own_;
    unsigned peer_;
    unsigned rotation_;
};

// The same on both sides, and evenly spread: public keys are as good as random.
inline std::uint32_t pairing_rotation(const PublicKey& a, const PublicKey& b) noexcept {
    std::uint32_t rotation = 0;
    for (std::size_t i = 0; i < sizeof rotation; ++i)
        rotation = rotation << 8U | static_cast<std::uint32_t>(a.bytes[i] ^ b.bytes[i]);
    return rotation;
}

}  // namespace weft
