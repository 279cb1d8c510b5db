// TCP segments (RFC 9293) with the options that simulated stations speak: maximum segment size and window
// scale (RFC 7323) in SYNs, selective acknowledgments (RFC 2018).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "lab/simulation/datagram.h"

namespace weft::lab {

struct TcpSegment {
    struct Block {  // sequence numbers that have arrived: from, up to but not
        std::uint32_t begin = 0;
        std::uint32_t end = 0;

        friend bool operator==(const Block&, const Block&) = default;
    };

    static constexpr std::size_t max_blocks = 4;

    std::uint32_t sequence = 0;
    std::uint32_t acknowledgment = 0;
    std::uint8_t flags = 0;  // of TcpHeader
    std::uint16_t window = 0xFFFF;
    std::optional<std::uint16_t> max_segment;  // of a SYN, with the other options of one
    std::size_t blocks = 0;
    std::array<Block, max_blocks> block{};
    std::size_t payload = 0;  // bytes

    [[nodiscard]] bool has(std::uint8_t flag) const noexcept { return (flags & flag) != 0; }
};

inline constexpr std::uint8_t tcp_window_scale = 7;

// Makes `packet` the datagram of the segment, with that payload, which is segment.payload bytes.
void write_tcp(Packet& packet, const Endpoints& between, const TcpSegment& segment,
               std::span<const std::uint8_t> payload) noexcept;

// Nothing if its header or an option is cut off. `transport` holds a whole TcpHeader.
std::optional<TcpSegment> parse_tcp(std::span<const std::uint8_t> transport) noexcept;

}  // namespace weft::lab
