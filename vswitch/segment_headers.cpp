#include "vswitch/segment_headers.h"

#include <cstring>

#include "vswitch/checksum.h"
#include "vswitch/headers.h"
#include "vswitch/mix.h"

namespace weft {

namespace {

constexpr std::uint8_t plain_ipv4 = 0x45;  // without options
constexpr std::uint8_t may_differ = TcpHeader::fin | TcpHeader::psh;

template <class Header>
const Header* at(const std::uint8_t* data, std::size_t offset) noexcept {
    return reinterpret_cast<const Header*>(data + offset);
}

// Of a length that the compiler knows.
template <std::size_t Size>
bool equal(const std::uint8_t* a, const std::uint8_t* b) noexcept {
    return std::memcmp(a, b, Size) == 0;
}

bool is_extension(std::uint8_t next_header) noexcept {
    switch (next_header) {
        case ip_protocol::hop_by_hop:
        case ip_protocol::routing:
        case ip_protocol::fragment:
        case ip_protocol::authentication:
        case ip_protocol::destination_options:
            return true;
        default:
            return false;
    }
}

bool same_ip(const SegmentHeaders& a, const SegmentHeaders& b) noexcept {
    const std::uint8_t* ip_a = a.data + a.network;
    const std::uint8_t* ip_b = b.data + b.network;
    if (a.is_v6) {  // version, traffic class and flow label; next header and hop limit
        constexpr std::size_t next_header = offsetof(Ipv6Header, next_header);
        return equal<4>(ip_a, ip_b) && equal<2>(ip_a + next_header, ip_b + next_header);
    }
    // version, header length and type of service; flags, TTL and protocol
    constexpr std::size_t flags = offsetof(Ipv4Header, flags_fragment);
    return equal<2>(ip_a, ip_b) && equal<4>(ip_a + flags, ip_b + flags);
}

bool same_tcp(const TcpHeader& a, const TcpHeader& b) noexcept {
    return a.acknowledgment.value() == b.acknowledgment.value() && a.data_offset == b.data_offset &&
           ((a.flags ^ b.flags) & ~may_differ) == 0 && a.window.value() == b.window.value() &&
           a.urgent.value() == b.urgent.value() &&
           std::memcmp(&a + 1, &b + 1, a.header_size() - sizeof(TcpHeader)) == 0;
}

}  // namespace

Joinability SegmentHeaders::inspect(Packet& packet, LinkLayer link, bool udp) noexcept {
    data = packet.data();
    size = static_cast<std::uint32_t>(packet.size());
    std::uint16_t type = 0;
    if (link == LinkLayer::ethernet) {
        if (size < sizeof(EthernetHeader) + sizeof(VlanTagHeader)) return Joinability::unrelated;
        network = sizeof(EthernetHeader);
        type = at<EthernetHeader>(data, 0)->type;
        if (type == ether_type::vlan) {
            network += sizeof(VlanTagHeader);
            type = *at<be16>(data, network - sizeof(be16));
        }
    } else if (size > 0) {
        type = data[0] >> 4U == 6 ? ether_type::ipv6 : ether_type::ipv4;
    }

    std::uint8_t protocol = 0;
    is_v6 = type == ether_type::ipv6;
    if (type == ether_type::ipv4) {
        if (size < network + sizeof(Ipv4Header)) return Joinability::unrelated;
        protocol = at<Ipv4Header>(data, network)->protocol;
    } else if (is_v6) {
        if (size < network + sizeof(Ipv6Header)) return Joinability::unrelated;
        protocol = at<Ipv6Header>(data, network)->next_header;
        if (is_extension(protocol)) return Joinability::obscure;
    }
    is_tcp = protocol == ip_protocol::tcp;
    if (!is_tcp && (!udp || protocol != ip_protocol::udp)) return Joinability::unrelated;
    return inspect_network() ? inspect_transport(packet) : Joinability::obscure;
}

// False unless the IP header is the plain one, followed by all of a datagram and nothing else.
bool SegmentHeaders::inspect_network() noexcept {
    const std::size_t datagram = size - network;
    if (is_v6) {
        const auto* ip = at<Ipv6Header>(data, network);
        transport = network + static_cast<std::uint32_t>(sizeof(Ipv6Header));
        return ip->version_class_flow >> 28U == 6 && sizeof(Ipv6Header) + ip->payload_length == datagram;
    }
    const auto* ip = at<Ipv4Header>(data, network);
    transport = network + static_cast<std::uint32_t>(sizeof(Ipv4Header));
    return ip->version_ihl == plain_ipv4 && ip->total_length == datagram && !ip->is_fragment();
}

Joinability SegmentHeaders::inspect_transport(const Packet& packet) noexcept {
    const std::size_t left = size - transport;
    if (left < (is_tcp ? sizeof(TcpHeader) : sizeof(UdpHeader))) return Joinability::obscure;
    std::size_t header = sizeof(UdpHeader);
    bool joinable = packet.offload().gso == Offload::Gso::none && !packet.offload().needs_checksum;
    if (is_tcp) {
        const auto* tcp = at<TcpHeader>(data, transport);
        header = tcp->header_size();
        joinable &=
            header >= sizeof(TcpHeader) && (tcp->flags & ~(may_differ | TcpHeader::ece)) == TcpHeader::ack;
    } else {
        const auto* udp = at<UdpHeader>(data, transport);
        joinable &= udp->length == left && udp->checksum != 0;
    }
    payload = transport + static_cast<std::uint32_t>(header);
    return joinable && left > header ? Joinability::joinable : Joinability::alone;
}

std::span<std::uint8_t> SegmentHeaders::addresses() const noexcept {
    constexpr std::size_t v6_size = 2 * sizeof(Ipv6Header::source);
    constexpr std::size_t v4_size = 2 * sizeof(Ipv4Header::source);
    return is_v6 ? std::span{data + network + offsetof(Ipv6Header, source), v6_size}
                 : std::span{data + network + offsetof(Ipv4Header, source), v4_size};
}

std::uint64_t SegmentHeaders::flow_hash() const noexcept {
    const std::uint8_t* from = addresses().data();
    std::uint32_t ports = 0;
    std::memcpy(&ports, data + transport, sizeof(ports));
    std::uint64_t key = load_native(from);
    if (is_v6) key ^= mix(load_native(from + 8), load_native(from + 16)) ^ load_native(from + 24);
    return mix(key, ports);
}

bool SegmentHeaders::verify() const noexcept {
    constexpr std::uint16_t other_zero = 0xFFFF;
    if (!is_v6) {
        if (at<Ipv4Header>(data, network)->checksum == other_zero) return false;
        if (ipv4_header_checksum({data + network, sizeof(Ipv4Header)}) != 0) return false;
    }
    if (is_tcp && at<TcpHeader>(data, transport)->checksum == other_zero) return false;
    ChecksumSum sum;
    sum.add({addresses().data(), data + size});
    sum.add(std::uint32_t{is_tcp ? ip_protocol::tcp : ip_protocol::udp});
    sum.add(size - transport);
    return sum.finish() == 0;
}

bool same_addresses(const SegmentHeaders& a, const SegmentHeaders& b) noexcept {
    if (a.is_v6 != b.is_v6) return false;
    const std::uint8_t* of_a = a.addresses().data();
    const std::uint8_t* of_b = b.addresses().data();
    return a.is_v6 ? equal<32>(of_a, of_b) : equal<8>(of_a, of_b);
}

bool same_flow(const SegmentHeaders& a, const SegmentHeaders& b) noexcept {
    constexpr std::size_t ports = 2 * sizeof(be16);
    return a.is_tcp == b.is_tcp && same_addresses(a, b) &&
           equal<ports>(a.data + a.transport, b.data + b.transport);
}

bool same_template(const SegmentHeaders& a, const SegmentHeaders& b) noexcept {
    return a.network == b.network && a.payload == b.payload && same_ip(a, b) &&
           (!a.is_tcp ||
            same_tcp(*at<TcpHeader>(a.data, a.transport), *at<TcpHeader>(b.data, b.transport))) &&
           std::memcmp(a.data, b.data, a.network) == 0;
}

}  // namespace weft
