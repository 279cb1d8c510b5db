// Checksums that a kernel has left to the hardware of a cable that has none. Between two ends of a veth pair a
// packet inside a tunnel goes as it was made, and its TCP or UDP checksum field holds the pseudo-header's sum
// only (CHECKSUM_PARTIAL); the kernel at the other end knows that, who reads it from a socket is not told.
#pragma once

#include "vswitch/packet.h"

namespace weft {

// If the field holds just that sum, the packet is marked as one whose checksum is still to be completed. By
// chance a finished checksum is the same once in 65536 packets: completing it changes nothing then.
void mark_left_checksum(Packet& frame) noexcept;

}  // namespace weft
