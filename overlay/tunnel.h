// What happens to a packet between the switch and the underlay. Neither way knows the other, or anything of
// peers:
//
//   out:  segment, encapsulate and seal in one pass, into memory of the underlay's  ->  a UDP payload
//   in:   open, out of the underlay's memory  ->  decapsulate  ->  a frame and its VNI, or a datagram
//
// Next headers: 4 and 41 for routed datagrams (tunnel mode, RFC 4303 section 3.1.2), 17 for UDP and VXLAN
// around a frame (transport mode), 44 for pieces of either (fragment.h), 59 for dummies, which end where they
// were opened (RFC 4303 section 2.6).
//
//   a frame in ESP     | ESP 16 | UDP 8 | VXLAN 8 | frame    | padding, trailer, ICV |
//   a datagram in ESP  | ESP 16 | datagram                   | padding, trailer, ICV |
//   a piece of either  | ESP 16 | Fragment header 8 | piece  | padding, trailer, ICV |
//   a frame, plain     | VXLAN 8 | frame |
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>

#include "overlay/fragment.h"
#include "overlay/peer.h"
#include "vswitch/drop.h"
#include "vswitch/id.h"
#include "vswitch/packet.h"
#include "vswitch/segmenter.h"

namespace weft {

// A frame with its tag on.
TunnelPayload frame_payload(Packet frame, Vni vni, std::uint32_t flow_hash) noexcept;
TunnelPayload datagram_payload(Packet datagram) noexcept;
TunnelPayload dummy_payload(Packet message) noexcept;  // a message of two nodes (probe.h), or empty

// Bytes of the UDP payload around a segment of `size` bytes.
std::size_t sealed_size(const TunnelPayload& payload, std::size_t size) noexcept;
std::size_t plain_size(std::size_t size) noexcept;

// Segment `index` of `payload`, sealed, into `out` of sealed_size() bytes. After an error `out` holds nothing
// that may leave.
std::expected<void, Drop> seal(OutboundSa& sa, const TunnelPayload& payload, const Segmenter& segments,
                               std::size_t index, std::span<std::uint8_t> out) noexcept;

// What ESP is put around, for a segment of `size` bytes, and writing it.
std::size_t inner_size(const TunnelPayload& payload, std::size_t size) noexcept;
void write_inner(const TunnelPayload& payload, const Segmenter& segments, std::size_t index,
                 std::span<std::uint8_t> out) noexcept;

// A piece of what write_inner() wrote, sealed, into `out` of Esp::sealed_size(fragment_header_size +
// piece.size()) bytes.
std::expected<void, Drop> seal_piece(OutboundSa& sa, const Ipv6FragmentHeader& header,
                                     std::span<const std::uint8_t> piece,
                                     std::span<std::uint8_t> out) noexcept;

// A segment in plain VXLAN, into `out` of plain_size() bytes.
void encapsulate(const TunnelPayload& payload, const Segmenter& segments, std::size_t index,
                 std::span<std::uint8_t> out) noexcept;

struct OpenedPayload {
    std::uint64_t sequence;
    std::uint8_t next_header;
    bool newest;  // no packet with a higher sequence number was seen
};

// `payload`, empty, becomes what was sealed in the ESP packet.
std::expected<OpenedPayload, Drop> open(InboundSa& sa, std::span<const std::uint8_t> sealed,
                                        Packet& payload) noexcept;

struct Decapsulated {
    std::optional<Vni> vni;  // of a frame; absent: a datagram
};

std::expected<Decapsulated, Drop> decapsulate(Packet& payload, std::uint8_t next_header) noexcept;

}  // namespace weft
