// IPv6 neighbor solicitations and advertisements (RFC 4861 sections 4.3, 4.4 and 7.1), on frames.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-------------------------------+
//  | type 135, 136 | code 0        | checksum                      |
//  +-+-+-+---------+---------------+-------------------------------+
//  |R|S|O| reserved                                                |  flags: advertisement only
//  +-+-+-+---------------------------------------------------------+
//  | target address, 16 bytes                                      |
//  +---------------+---------------+-------------------------------+
//  | option type   | length / 8    | link-layer address, 6 bytes   |  1: of the source, 2: of the target
//  +---------------+---------------+-------------------------------+
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>

#include "vswitch/address.h"
#include "vswitch/drop.h"
#include "vswitch/flow.h"
#include "vswitch/packet.h"

namespace weft {

struct NeighborMessage {
    bool is_solicitation = false;
    bool from_router = false;     // advertisement
    bool solicited = false;       // advertisement: the answer to a solicitation
    bool override_entry = false;  // advertisement: stands before what is known
    IpAddress source;  // unspecified: the solicitation probes for duplicates (RFC 4862 section 5.4)
    IpAddress destination;
    IpAddress target;
    std::optional<MacAddress> link_address;  // of the source (solicitation) or the target (advertisement)
};

// Whether the frame is one of neighbor discovery's five messages (solicitations, advertisements and
// redirect).
bool is_neighbor_discovery(const Packet& frame, const Classified& what) noexcept;

// Parses a solicitation or advertisement; nothing for the messages of routers. Completes its checksum if that
// is left to do.
std::expected<std::optional<NeighborMessage>, Drop> parse_neighbor_message(Packet& frame,
                                                                           const Classified& what) noexcept;

IpAddress solicited_node(const IpAddress& address) noexcept;   // ff02::1:ffXX:XXXX (RFC 4291 section 2.7.1)
MacAddress multicast_mac(const IpAddress& group) noexcept;     // 33:33:xx:xx:xx:xx (RFC 2464 section 7)
IpAddress link_local_address(const MacAddress& mac) noexcept;  // fe80::/64 and the modified EUI-64
inline constexpr IpAddress all_nodes = IpAddress::v6({0xFF, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});

// Makes `frame` the whole frame of `message` from `mac`, whose link_address it always carries.
void write_neighbor_message(Packet& frame, const NeighborMessage& message, const MacAddress& mac,
                            const MacAddress& destination) noexcept;

}  // namespace weft
