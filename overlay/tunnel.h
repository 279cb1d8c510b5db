// What happens to a packet between the switch and the underlay, one step after the other; each works in place
// and knows nothing of the others. The datapath puts them in a row:
//
//   out:  encapsulate_frame | encapsulate_datagram  ->  seal   ->  a UDP payload
//   in:   open  ->  decapsulate  ->  a frame and its VNI, or a datagram
//
// Next headers: 4 and 41 for routed datagrams (tunnel mode, RFC 4303 section 3.1.2), 17 for UDP and VXLAN
// around a frame (transport mode), 59 for dummies, which end where they were opened (RFC 4303 section 2.6).
#pragma once

#include <cstdint>
#include <expected>
#include <optional>

#include "overlay/peer.h"
#include "vswitch/drop.h"
#include "vswitch/id.h"
#include "vswitch/packet.h"

namespace weft {

// A frame with its tag on; the result is what ESP carries.
PlainPayload encapsulate_frame(Packet frame, Vni vni, std::uint32_t flow_hash) noexcept;
PlainPayload encapsulate_datagram(Packet datagram) noexcept;
PlainPayload dummy_payload(Packet empty) noexcept;

// The packet becomes an ESP packet.
std::expected<void, Drop> seal(OutboundSa& sa, PlainPayload& payload) noexcept;

struct OpenedPayload {
    std::uint8_t next_header;
    bool newest;  // no packet with a higher sequence number was seen
};

// The packet becomes the payload.
std::expected<OpenedPayload, Drop> open(InboundSa& sa, Packet& packet) noexcept;

struct Decapsulated {
    std::optional<Vni> vni;  // of a frame; absent: a datagram
};

std::expected<Decapsulated, Drop> decapsulate(Packet& payload, std::uint8_t next_header) noexcept;

}  // namespace weft
