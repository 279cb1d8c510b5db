// Fragments inside ESP, for what the path to a peer cannot carry whole and nobody can be told to send
// smaller: frames of a bridge, IPv4 without DF, and everything while the path is being measured. Cut before
// sealing, so that each fragment is a packet of its own to ESP, authenticated before it takes a byte of
// memory:
//
//   | ESP | Fragment header (8) | a piece of UDP, VXLAN, frame; or of a datagram | trailer, ICV |
//
// next header 44 and the header of RFC 8200 section 4.5: next header, offset in units of 8 bytes, M flag,
// identification (here the sender's count for the SA). Pieces of a packet are of about equal size: they make
// a train, and none is so small that it costs more than it carries.
#pragma once

#include <cstddef>
#include <cstdint>

#include "crypto/esp.h"
#include "vswitch/headers.h"

namespace weft {

inline constexpr std::size_t fragment_header_size = sizeof(Ipv6FragmentHeader);
inline constexpr std::size_t max_fragmented = 0xFFF8;  // bytes: what an offset can reach

struct FragmentPlan {
    std::size_t total = 0;  // bytes to be cut
    std::size_t piece = 0;  // bytes of each piece but the last, a multiple of 8; 0: it cannot be done

    // Pieces that fit, sealed, into `room` bytes of UDP payload.
    static constexpr FragmentPlan make(std::size_t total, std::size_t room) noexcept {
        constexpr std::size_t around = Esp::header_size + fragment_header_size + Esp::max_trailer_size;
        const std::size_t largest = room > around ? (room - around) & ~std::size_t{7} : 0;
        if (largest == 0 || total > max_fragmented) return {total, 0};
        const std::size_t pieces = (total + largest - 1) / largest;
        return {total, ((total + pieces - 1) / pieces + 7) & ~std::size_t{7}};
    }

    [[nodiscard]] constexpr std::size_t count() const noexcept { return (total + piece - 1) / piece; }

    [[nodiscard]] constexpr std::size_t size(std::size_t index) const noexcept {
        return index + 1 < count() ? piece : total - index * piece;
    }
};

}  // namespace weft
