// Protocol headers as they stand in packets, and checked views of them. A header struct has alignment 1 and
// exactly the size of its fixed part; view<H>(bytes, offset) is the only way to lay one over bytes, and it
// checks the length.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "vswitch/address.h"
#include "vswitch/wire.h"

namespace weft {

// The header at bytes[offset], or nullptr if it is not all there.
template <class Header>
[[nodiscard]] const Header* view(std::span<const std::uint8_t> bytes, std::size_t offset = 0) noexcept {
    static_assert(alignof(Header) == 1 && std::is_trivially_copyable_v<Header>);
    if (bytes.size() < sizeof(Header) || bytes.size() - sizeof(Header) < offset) return nullptr;
    return reinterpret_cast<const Header*>(bytes.data() + offset);
}

template <class Header>
[[nodiscard]] Header* writable_view(std::span<std::uint8_t> bytes, std::size_t offset = 0) noexcept {
    return const_cast<Header*>(view<Header>(bytes, offset));
}

namespace ether_type {
inline constexpr std::uint16_t ipv4 = 0x0800;
inline constexpr std::uint16_t arp = 0x0806;
inline constexpr std::uint16_t vlan = 0x8100;
inline constexpr std::uint16_t ipv6 = 0x86DD;
}  // namespace ether_type

namespace ip_protocol {
inline constexpr std::uint8_t hop_by_hop = 0;
inline constexpr std::uint8_t icmp = 1;
inline constexpr std::uint8_t ipv4 = 4;  // IP in IP
inline constexpr std::uint8_t tcp = 6;
inline constexpr std::uint8_t udp = 17;
inline constexpr std::uint8_t ipv6 = 41;
inline constexpr std::uint8_t routing = 43;
inline constexpr std::uint8_t fragment = 44;
inline constexpr std::uint8_t authentication = 51;
inline constexpr std::uint8_t icmpv6 = 58;
inline constexpr std::uint8_t none = 59;
inline constexpr std::uint8_t destination_options = 60;
}  // namespace ip_protocol

namespace icmp_type {
inline constexpr std::uint8_t echo_reply = 0;
inline constexpr std::uint8_t destination_unreachable = 3;
inline constexpr std::uint8_t echo_request = 8;
inline constexpr std::uint8_t time_exceeded = 11;
}  // namespace icmp_type

namespace icmpv6_type {
inline constexpr std::uint8_t destination_unreachable = 1;
inline constexpr std::uint8_t packet_too_big = 2;
inline constexpr std::uint8_t time_exceeded = 3;
inline constexpr std::uint8_t echo_request = 128;
inline constexpr std::uint8_t echo_reply = 129;
inline constexpr std::uint8_t neighbor_solicitation = 135;
inline constexpr std::uint8_t neighbor_advertisement = 136;
}  // namespace icmpv6_type

// IEEE 802.3
struct EthernetHeader {
    MacAddress destination;
    MacAddress source;
    be16 type;
};

static_assert(sizeof(EthernetHeader) == 14 && alignof(EthernetHeader) == 1);

// IEEE 802.1Q: stands in the place of the ether type, which follows it (vlan.h).
struct VlanTagHeader {
    be16 protocol;
    be16 control;
};

static_assert(sizeof(VlanTagHeader) == 4 && alignof(VlanTagHeader) == 1);

// RFC 791 section 3.1
struct Ipv4Header {
    std::uint8_t version_ihl = 0;
    std::uint8_t dscp_ecn = 0;
    be16 total_length;
    be16 identification;
    be16 flags_fragment;
    std::uint8_t ttl = 0;
    std::uint8_t protocol = 0;
    be16 checksum;
    std::array<std::uint8_t, 4> source{};
    std::array<std::uint8_t, 4> destination{};

    static constexpr std::uint16_t dont_fragment = 0x4000;
    static constexpr std::uint16_t more_fragments = 0x2000;
    static constexpr std::uint16_t offset_mask = 0x1FFF;  // in units of 8 bytes

    [[nodiscard]] std::size_t header_size() const noexcept { return (version_ihl & 0x0FU) * std::size_t{4}; }

    [[nodiscard]] bool is_fragment() const noexcept {
        return (flags_fragment & (more_fragments | offset_mask)) != 0;
    }
};

static_assert(sizeof(Ipv4Header) == 20 && alignof(Ipv4Header) == 1);

// RFC 8200 section 3
struct Ipv6Header {
    be32 version_class_flow;
    be16 payload_length;
    std::uint8_t next_header = 0;
    std::uint8_t hop_limit = 0;
    std::array<std::uint8_t, 16> source{};
    std::array<std::uint8_t, 16> destination{};
};

static_assert(sizeof(Ipv6Header) == 40 && alignof(Ipv6Header) == 1);

// RFC 8200 section 4.5
struct Ipv6FragmentHeader {
    std::uint8_t next_header = 0;
    std::uint8_t reserved = 0;
    be16 offset_flags;
    be32 identification;

    static constexpr std::uint16_t more_fragments = 0x0001;
    static constexpr std::uint16_t offset_mask = 0xFFF8;

    [[nodiscard]] std::uint16_t offset() const noexcept { return offset_flags & offset_mask; }  // in bytes

    // An atomic fragment (RFC 6946), which is the whole datagram, is none.
    [[nodiscard]] bool is_fragment() const noexcept {
        return (offset_flags & (more_fragments | offset_mask)) != 0;
    }
};

static_assert(sizeof(Ipv6FragmentHeader) == 8 && alignof(Ipv6FragmentHeader) == 1);

// RFC 9293 section 3.1
struct TcpHeader {
    be16 source_port;
    be16 destination_port;
    be32 sequence;
    be32 acknowledgment;
    std::uint8_t data_offset = 0;  // high nibble, in units of 4 bytes
    std::uint8_t flags = 0;
    be16 window;
    be16 checksum;
    be16 urgent;

    static constexpr std::uint8_t fin = 0x01;
    static constexpr std::uint8_t syn = 0x02;
    static constexpr std::uint8_t rst = 0x04;
    static constexpr std::uint8_t psh = 0x08;
    static constexpr std::uint8_t ack = 0x10;
    static constexpr std::uint8_t urg = 0x20;
    static constexpr std::uint8_t ece = 0x40;
    static constexpr std::uint8_t cwr = 0x80;

    [[nodiscard]] std::size_t header_size() const noexcept { return (data_offset >> 4U) * std::size_t{4}; }
};

static_assert(sizeof(TcpHeader) == 20 && alignof(TcpHeader) == 1);

// RFC 768
struct UdpHeader {
    be16 source_port;
    be16 destination_port;
    be16 length;
    be16 checksum;
};

static_assert(sizeof(UdpHeader) == 8 && alignof(UdpHeader) == 1);

// VXLAN's, for a flow's hash: in 49152..65535 (RFC 7348 section 5).
constexpr std::uint16_t vxlan_source_port(std::uint32_t flow_hash) noexcept {
    return static_cast<std::uint16_t>(0xC000U | (flow_hash & 0x3FFFU));
}

// RFC 792, RFC 4443: the four bytes after the checksum depend on the type.
struct IcmpHeader {
    std::uint8_t type = 0;
    std::uint8_t code = 0;
    be16 checksum;
    be32 rest;
};

static_assert(sizeof(IcmpHeader) == 8 && alignof(IcmpHeader) == 1);

// RFC 826, for IPv4 over Ethernet
struct ArpPacket {
    be16 hardware_type;              // 1
    be16 protocol_type;              // 0x0800
    std::uint8_t hardware_size = 0;  // 6
    std::uint8_t protocol_size = 0;  // 4
    be16 operation;
    MacAddress sender_mac;
    std::array<std::uint8_t, 4> sender_ip{};
    MacAddress target_mac;
    std::array<std::uint8_t, 4> target_ip{};

    static constexpr std::uint16_t request = 1;
    static constexpr std::uint16_t reply = 2;
};

static_assert(sizeof(ArpPacket) == 28 && alignof(ArpPacket) == 1);

}  // namespace weft
