// VXLAN (RFC 7348 section 5): an Ethernet frame in UDP, under a 24-bit network identifier.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +---------------+-----------------------------------------------+
//   |R|R|R|R|1|R|R|R| reserved                                      |
//   +---------------+-----------------------------------------------+
//   | VXLAN network identifier (VNI)                | reserved      |
//   +-----------------------------------------------+---------------+
//
// Plain, the UDP header is the socket's. Inside ESP in transport mode it is part of what is sealed ('VXLAN
// over IPsec'), and weft writes it: zero checksum (the ICV covers more; RFC 6935 allows it over IPv6 too), a
// source port that stands for the inner flow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include "vswitch/drop.h"
#include "vswitch/headers.h"
#include "vswitch/id.h"
#include "vswitch/packet.h"

namespace weft {

inline constexpr std::uint16_t vxlan_port = 4789;
inline constexpr std::size_t vxlan_header_size = 8;
inline constexpr std::size_t vxlan_udp_header_size = 8;

// Writes the header; the frame follows it.
void write_vxlan(std::span<std::uint8_t, vxlan_header_size> out, Vni vni) noexcept;

// Takes the header off; the packet is then the inner frame, of at least an Ethernet header's length. Reserved
// bits are ignored, as the RFC demands.
std::expected<Vni, Drop> pull_vxlan(Packet& packet) noexcept;

// A UDP header to vxlan_port in front of `payload` bytes, and off again.
void write_vxlan_udp(std::span<std::uint8_t, vxlan_udp_header_size> out, std::uint16_t source_port,
                     std::size_t payload) noexcept;
std::expected<void, Drop> pull_vxlan_udp(Packet& packet) noexcept;

}  // namespace weft
