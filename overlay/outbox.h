// What one batch leaves behind: for each local port the packets to write, for the underlay the datagrams to
// send. The datapath fills them, the worker (or a simulated network) empties them after each batch, so
// nothing ever waits here longer than that and the bound is a batch's worth of packets.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "vswitch/address.h"
#include "vswitch/id.h"
#include "vswitch/packet.h"

namespace weft {

// The two UDP ports of a node.
enum class Channel : std::uint8_t {
    esp,    // ESP in UDP (RFC 3948), handshakes, keepalives
    vxlan,  // plain VXLAN (RFC 7348)
};

// A datagram of the underlay: the packet is its UDP payload.
struct UnderlayDatagram {
    Packet packet;
    Endpoint remote;  // where it goes to or came from
    Channel channel = Channel::esp;
    std::uint32_t flow_hash = 0;  // sent, vxlan: selects the source port
    PortId tunnel = no_port;      // sent: whose it is, for the counters
};

}  // namespace weft
