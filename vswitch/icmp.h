// ICMP (RFC 792) and ICMPv6 (RFC 4443) as a router speaks them: errors and echo replies, built in place of
// the datagram that they answer. Nothing here looks at routes or at rates.
//
//   a datagram    | IP header, options | payload ... |
//   its error     | IP header | type, code, checksum, rest | IP header, options | payload ... |  cut off
//   an echo       | IP header, options | type, code, checksum, rest | payload ... |
//   its reply     | IP header | type, code, checksum, rest | payload ... |
//
// An error quotes as much of the original as fits 576 bytes (RFC 1812 section 4.3.2.3) or 1280 (RFC 4443
// section 2.4 c). What is built has a complete checksum, no offload metadata and no VLAN tag.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>

#include "vswitch/address.h"
#include "vswitch/drop.h"
#include "vswitch/flow.h"
#include "vswitch/packet.h"

namespace weft {

struct IcmpError {
    enum class Kind : std::uint8_t {
        network_unreachable,
        host_unreachable,
        protocol_unreachable,  // IPv6 has no such code: sent as port unreachable
        port_unreachable,
        time_exceeded,
        too_big,  // IPv4: fragmentation needed (RFC 1191)
    };

    Kind kind = Kind::host_unreachable;
    std::uint16_t mtu = 0;  // too_big
};

// Whether the RFCs allow an error about this datagram (RFC 1812 section 4.3.2.7, RFC 4443 section 2.4 e): not
// about an ICMP error, a fragment other than the first, or what did not come from, or was not sent to, a
// single station.
bool may_report(const Packet& datagram, const Classified& what) noexcept;

// Replaces `datagram` by the error, from `source` to its sender; at most `max_size` bytes in all. False, and
// nothing done, if that leaves no room for the headers.
bool make_icmp_error(Packet& datagram, const FlowKey& flow, IcmpError error, const IpAddress& source,
                     std::size_t max_size) noexcept;

// A whole ICMP or ICMPv6 echo request.
bool is_echo_request(const Packet& datagram, const Classified& what) noexcept;

// Replaces an echo request by its reply, from the address that was asked.
std::expected<void, Drop> make_echo_reply(Packet& datagram, const Classified& what) noexcept;

}  // namespace weft
