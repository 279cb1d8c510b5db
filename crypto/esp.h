// ESP (RFC 4303) with a combined-mode cipher and 64-bit extended sequence numbers, in buffers of the
// caller's: sealed in place, opened in place or from one buffer into another.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +---------------------------------------------------------------+
//   | SPI                                                           |  in the clear, authenticated
//   +---------------------------------------------------------------+
//   | sequence number, low 32 bits                                  |  in the clear, authenticated as 64 bits
//   +---------------------------------------------------------------+
//   | IV (8 bytes): the 64-bit sequence number                      |  in the clear
//   +---------------------------------------------------------------+
//   | payload                                                       |  encrypted
//   +                               +-------------------------------+
//   |                               | 0..3 bytes padding 1, 2, 3    |  encrypted
//   +-------------------------------+---------------+---------------+
//   |                               | pad length    | next header   |  encrypted; ends on a multiple of 4
//   +-------------------------------+---------------+---------------+
//   | integrity check value (16 bytes)                              |
//   +---------------------------------------------------------------+
//
// Associated data (RFC 4106 section 5): SPI, 64-bit sequence number. A packet that is not a multiple of 4
// bytes, or too small for header, trailer and ICV, is truncated. A receiver accepts up to 255 bytes of
// padding.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include "crypto/sa.h"

namespace weft {

// A packet older than the window is `too_old` although it is the integrity check that finds it: its inferred
// number lies nearly 2^32 ahead. After damage to the sequence number the two cannot be told apart.
enum class EspError : std::uint8_t { truncated, exhausted, replayed, too_old, auth_failed, bad_padding };

struct Esp {
    static constexpr std::size_t header_size = 16;  // SPI, sequence number, IV
    static constexpr std::size_t max_trailer_size = 3 + 2 + aead_tag_size;
    static constexpr std::size_t min_size = header_size + 4 + aead_tag_size;

    // Bytes of the ESP packet around a payload of `payload_size`.
    static constexpr std::size_t sealed_size(std::size_t payload_size) noexcept {
        return header_size + ((payload_size + 2 + 3) & ~std::size_t{3}) + aead_tag_size;
    }

    // Seals the payload that stands at buffer[header_size, header_size + payload_size) and returns the size
    // of the packet, sealed_size(payload_size). A buffer smaller than that is `truncated`; past the SA's
    // limit: `exhausted`.
    static std::expected<std::size_t, EspError> seal(OutboundSa& sa, std::span<std::uint8_t> buffer,
                                                     std::size_t payload_size,
                                                     std::uint8_t next_header) noexcept;

    struct Opened {
        std::size_t payload_size;  // from plain[0]
        std::uint8_t next_header;
        std::uint64_t sequence;
    };

    // Room that open() needs for payload, padding and trailer of a packet.
    static constexpr std::size_t opened_room(std::size_t packet_size) noexcept {
        return packet_size < min_size ? 0 : packet_size - header_size - aead_tag_size;
    }

    // Checks the replay window, opens, marks the window. `plain` is packet[header_size, ...) itself, or lies
    // wholly elsewhere; smaller than opened_room(packet.size()) it is `truncated`. After an error its bytes
    // are to be forgotten, and the window has not moved, except by a genuine packet with bad padding. The IV
    // is taken as it comes: other senders need not derive it from the sequence number.
    static std::expected<Opened, EspError> open(InboundSa& sa, std::span<const std::uint8_t> packet,
                                                std::span<std::uint8_t> plain) noexcept;

    // The payload stays where it is, at packet[header_size].
    static std::expected<Opened, EspError> open_in_place(InboundSa& sa,
                                                         std::span<std::uint8_t> packet) noexcept {
        return open(sa, packet, packet.subspan(std::min(header_size, packet.size())));
    }

    // The SPI of a packet of at least 4 bytes.
    static std::uint32_t spi_of(std::span<const std::uint8_t> packet) noexcept;
};

}  // namespace weft
