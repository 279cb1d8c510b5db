// The maximum segment size that a TCP connection is opened with (RFC 9293 section 3.7.1), made no larger than
// a path has room for. Without it, a connection through a narrower hop depends on ICMP, which many networks
// lose.
#pragma once

#include <cstdint>

#include "vswitch/flow.h"
#include "vswitch/packet.h"

namespace weft {

// `datagram` begins with the IP header that `what` describes (whose offsets may count from a frame's header
// that was pulled since). If it is a SYN whose MSS option is too large for `mtu`, the option is lowered and
// the checksum with it. Everything else is left alone, also a SYN without the option, for which the peer
// takes 536 or 1220.
void clamp_mss(Packet& datagram, const Classified& what, std::uint16_t mtu) noexcept;

}  // namespace weft
