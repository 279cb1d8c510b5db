// What a kernel has left to the hardware of a cable that has none. Between two ends of a veth pair a packet
// inside a tunnel goes as it was made: its TCP or UDP checksum field holds the pseudo-header's sum only
// (CHECKSUM_PARTIAL), and it may be several segments in one. The kernel at the other end knows that; who
// reads it from a socket is not told.
#pragma once

#include <cstdint>

#include "vswitch/packet.h"

namespace weft {

// If the checksum field of `frame`, of which the IP datagram is all, holds just that sum, it is marked as
// still to be completed, and a TCP packet that is larger than `mtu` as a super-frame of segments of that
// size. By chance a finished checksum is the same once in 65536 packets: completing it changes nothing then.
void mark_left_to_device(Packet& frame, std::uint16_t mtu) noexcept;

}  // namespace weft
