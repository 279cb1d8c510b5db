// What a packet is: its addresses, protocol and ports, and where its headers begin. Classification is the
// first stage of the walk and the only one that looks at lengths: after it has accepted a packet, the offsets
// that it returns lie inside the packet and the headers there are complete.
//
// Frames (L2): only the Ethernet header must be whole. A bridge forwards what it does not understand, so a
// broken or foreign payload leaves `network` / `transport` at `absent` and is no error. Datagrams (L3): must
// be well-formed IPv4 (RFC 791: version, IHL, total length, header checksum) or IPv6 (RFC 8200: version,
// payload length, chain of extension headers); anything else is a Drop.
//
// Of a fragment only the first has ports; `is_fragment` holds for all of them. The ports of an ICMP echo are
// its identifier (source and destination alike), so that a ping is one flow.
#pragma once

#include <cstdint>
#include <expected>
#include <span>

#include "vswitch/address.h"
#include "vswitch/drop.h"
#include "vswitch/id.h"

namespace weft {

struct FlowKey {
    MacAddress destination_mac;  // zero for a datagram
    MacAddress source_mac;
    std::uint16_t ether_type = 0;  // host order; for a datagram 0x0800 or 0x86DD
    VlanId vlan;
    IpAddress source;  // 0.0.0.0 unless IP
    IpAddress destination;
    std::uint8_t protocol = 0;  // IPv4 protocol / last IPv6 next header
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;

    friend bool operator==(const FlowKey&, const FlowKey&) noexcept = default;
};

struct Classified {
    static constexpr std::uint16_t absent = 0xFFFF;

    FlowKey flow;
    std::uint16_t network = absent;    // offset of the IP header from data()
    std::uint16_t transport = absent;  // offset of the TCP, UDP or ICMP header; absent in later fragments
    bool is_fragment = false;
    bool is_later_fragment = false;  // the beginning is in another one

    [[nodiscard]] bool is_ip() const noexcept { return network != absent; }
};

// `frame` begins with an untagged Ethernet header (the tag, if any, was popped: vlan.h) and belongs to
// `vlan`.
std::expected<Classified, Drop> classify_frame(std::span<const std::uint8_t> frame, VlanId vlan) noexcept;

// `datagram` begins with an IP header. Bytes beyond the length in its header are no error (Ethernet pads).
std::expected<Classified, Drop> classify_datagram(std::span<const std::uint8_t> datagram) noexcept;

// Spreads flows; equal for equal keys, within this process only. 32 well-mixed bits.
std::uint32_t hash(const FlowKey& flow) noexcept;

}  // namespace weft
