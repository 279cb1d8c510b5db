// Super-frames and what the wire takes: cutting a GSO packet into packets of their own (segmenter.h),
// completing checksums that the kernel left to the device, and fragmenting IPv4 (RFC 791 section 2.3).
#pragma once

#include <cstdint>
#include <expected>
#include <vector>

#include "vswitch/drop.h"
#include "vswitch/packet.h"

namespace weft {

// Completes the transport checksum if packet.offload().needs_checksum; a no-op otherwise.
void complete_checksum(Packet& packet) noexcept;

// Cuts a super-frame into segments of offload().gso_size bytes of payload, checksums complete, appended to
// `out`. `network` is the offset of the IP header (14 in a frame, 0 in a datagram). A packet that is none is
// moved there as it is, with its checksum completed. On an error nothing is appended.
std::expected<void, Drop> segment(Packet packet, std::uint16_t network, std::vector<Packet>& out) noexcept;

// Cuts an IPv4 datagram into fragments of at most `mtu` bytes, appended to `out`.
std::expected<void, Drop> fragment_ipv4(Packet datagram, std::uint16_t mtu,
                                        std::vector<Packet>& out) noexcept;

// Bytes of the largest wire packet that `packet` stands for: of its largest segment, headers included, for a
// super-frame.
std::size_t wire_size(const Packet& packet) noexcept;

}  // namespace weft
