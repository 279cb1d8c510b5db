#include "vswitch/icmp.h"

#include <algorithm>

#include "vswitch/checksum.h"
#include "vswitch/gso.h"
#include "vswitch/headers.h"

namespace weft {

namespace {

constexpr std::uint8_t hop_limit = 64;
constexpr std::uint8_t internetwork_control = 0xC0;  // precedence 6 (RFC 1812 section 4.3.2.5)

struct TypeCode {
    std::uint8_t type;
    std::uint8_t code;
};

TypeCode type_code_v4(IcmpError::Kind kind) noexcept {
    switch (kind) {
        case IcmpError::Kind::network_unreachable:
            return {icmp_type::destination_unreachable, 0};
        case IcmpError::Kind::host_unreachable:
            return {icmp_type::destination_unreachable, 1};
        case IcmpError::Kind::protocol_unreachable:
            return {icmp_type::destination_unreachable, 2};
        case IcmpError::Kind::port_unreachable:
            return {icmp_type::destination_unreachable, 3};
        case IcmpError::Kind::too_big:
            return {icmp_type::destination_unreachable, 4};
        case IcmpError::Kind::time_exceeded:
            return {icmp_type::time_exceeded, 0};
    }
    return {};
}

TypeCode type_code_v6(IcmpError::Kind kind) noexcept {
    switch (kind) {
        case IcmpError::Kind::network_unreachable:
            return {icmpv6_type::destination_unreachable, 0};
        case IcmpError::Kind::host_unreachable:
            return {icmpv6_type::destination_unreachable, 3};
        case IcmpError::Kind::protocol_unreachable:
        case IcmpError::Kind::port_unreachable:
            return {icmpv6_type::destination_unreachable, 4};
        case IcmpError::Kind::too_big:
            return {icmpv6_type::packet_too_big, 0};
        case IcmpError::Kind::time_exceeded:
            return {icmpv6_type::time_exceeded, 0};
    }
    return {};
}

// The transport header counted from the IP header, wherever `what` counts from.
std::size_t transport_of(const Classified& what) noexcept {
    return std::size_t{what.transport} - what.network;
}

const IcmpHeader* icmp_header(const Packet& datagram, const Classified& what) noexcept {
    if (what.transport == Classified::absent || what.network == Classified::absent) return nullptr;
    if (what.flow.protocol != (what.flow.source.is_v6() ? ip_protocol::icmpv6 : ip_protocol::icmp))
        return nullptr;
    return view<IcmpHeader>(datagram.bytes(), transport_of(what));
}

bool is_icmp_error(std::uint8_t type, bool is_v6) noexcept {
    constexpr std::uint8_t redirect_v6 = 137;
    if (is_v6) return type < 128 || type == redirect_v6;
    return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

bool is_single_station(const IpAddress& address) noexcept {
    return !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast() &&
           !address.is_loopback();
}

void push_ipv4_header(Packet& packet, std::uint8_t service, const IpAddress& source,
                      const IpAddress& destination, std::uint16_t identification,
                      std::uint16_t flags) noexcept {
    packet.push(sizeof(Ipv4Header));
    auto* ip = writable_view<Ipv4Header>(packet.bytes());
    *ip = Ipv4Header{};
    ip->version_ihl = 0x45;
    ip->dscp_ecn = service;
    ip->total_length = static_cast<std::uint16_t>(packet.size());
    ip->identification = identification;
    ip->flags_fragment = flags;
    ip->ttl = hop_limit;
    ip->protocol = ip_protocol::icmp;
    std::ranges::copy(source.bytes(), ip->source.begin());
    std::ranges::copy(destination.bytes(), ip->destination.begin());
    ip->checksum = ipv4_header_checksum(packet.bytes().first(sizeof(Ipv4Header)));
}

void push_ipv6_header(Packet& packet, std::uint32_t version_class_flow, const IpAddress& source,
                      const IpAddress& destination) noexcept {
    const std::size_t payload = packet.size();
    packet.push(sizeof(Ipv6Header));
    auto* ip = writable_view<Ipv6Header>(packet.bytes());
    ip->version_class_flow = version_class_flow;
    ip->payload_length = static_cast<std::uint16_t>(payload);
    ip->next_header = ip_protocol::icmpv6;
    ip->hop_limit = hop_limit;
    ip->source = source.octets();
    ip->destination = destination.octets();
}

void reset_metadata(Packet& packet) noexcept {
    packet.offload() = Offload{.checksum_valid = true};
    packet.vlan_tci() = 0;
}

// The sum that an ICMP message starts from: nothing for IPv4, the pseudo-header for IPv6.
ChecksumSum icmp_sum(const IpAddress& source, const IpAddress& destination, std::size_t size) noexcept {
    if (source.is_v4()) return {};
    return pseudo_header_sum(source, destination, ip_protocol::icmpv6, static_cast<std::uint32_t>(size));
}

}  // namespace

bool may_report(const Packet& datagram, const Classified& what) noexcept {
    const bool is_v6 = what.flow.source.is_v6();
    if (!is_single_station(what.flow.source) || !is_single_station(what.flow.destination)) return false;
    if (what.is_fragment) {
        const auto* ip = is_v6 ? nullptr : view<Ipv4Header>(datagram.bytes());
        const bool later = ip != nullptr ? (ip->flags_fragment & Ipv4Header::offset_mask) != 0
                                         : what.transport == Classified::absent;
        if (later) return false;
    }
    if (what.flow.protocol != (is_v6 ? ip_protocol::icmpv6 : ip_protocol::icmp)) return true;
    const auto* icmp = icmp_header(datagram, what);
    return icmp != nullptr && !is_icmp_error(icmp->type, is_v6);
}

bool make_icmp_error(Packet& datagram, const FlowKey& flow, IcmpError error, const IpAddress& source,
                     std::size_t max_size) noexcept {
    constexpr std::size_t max_error_v4 = 576;
    constexpr std::size_t max_error_v6 = 1280;
    const bool is_v6 = source.is_v6();
    const std::size_t ip_size = is_v6 ? sizeof(Ipv6Header) : sizeof(Ipv4Header);
    const std::size_t headers = ip_size + sizeof(IcmpHeader);
    const std::size_t limit = std::min(max_size, is_v6 ? max_error_v6 : max_error_v4);
    if (limit < headers + ip_size || datagram.headroom() < headers) return false;

    datagram.resize(std::min(datagram.size(), limit - headers));
    datagram.push(sizeof(IcmpHeader));
    auto* icmp = writable_view<IcmpHeader>(datagram.bytes());
    const auto [type, code] = is_v6 ? type_code_v6(error.kind) : type_code_v4(error.kind);
    *icmp = IcmpHeader{};
    icmp->type = type;
    icmp->code = code;
    if (error.kind == IcmpError::Kind::too_big) icmp->rest = std::uint32_t{error.mtu};
    ChecksumSum sum = icmp_sum(source, flow.source, datagram.size());
    sum.add(datagram.bytes());
    icmp->checksum = sum.finish();

    if (is_v6) {
        push_ipv6_header(datagram, 0x60000000U, source, flow.source);
    } else {
        push_ipv4_header(datagram, internetwork_control, source, flow.source, 0, Ipv4Header::dont_fragment);
    }
    reset_metadata(datagram);
    return true;
}

bool is_echo_request(const Packet& datagram, const Classified& what) noexcept {
    const auto* icmp = what.is_fragment ? nullptr : icmp_header(datagram, what);
    if (icmp == nullptr || icmp->code != 0 || datagram.offload().gso != Offload::Gso::none) return false;
    return icmp->type == (what.flow.source.is_v6() ? icmpv6_type::echo_request : icmp_type::echo_request);
}

// An IPv4 reply keeps the request's identification, which is as unique as the sender made it, and its DF: so
// a reply to a ping that probes the path MTU behaves like one, and any other may be fragmented.
std::expected<void, Drop> make_echo_reply(Packet& datagram, const Classified& what) noexcept {
    const IpAddress& asked = what.flow.destination;
    const IpAddress& asker = what.flow.source;
    const std::size_t transport = transport_of(what);
    complete_checksum(datagram);
    ChecksumSum sum = icmp_sum(asker, asked, datagram.size() - transport);
    sum.add(datagram.bytes().subspan(transport));
    if (sum.finish() != 0) return std::unexpected(Drop::bad_checksum);

    auto* icmp = writable_view<IcmpHeader>(datagram.bytes(), transport);
    const std::uint8_t reply = asked.is_v6() ? icmpv6_type::echo_reply : icmp_type::echo_reply;
    icmp->checksum = update_checksum(icmp->checksum, static_cast<std::uint16_t>(icmp->type << 8U),
                                     static_cast<std::uint16_t>(reply << 8U));
    icmp->type = reply;
    if (asked.is_v6()) {
        const std::uint32_t version_class_flow = view<Ipv6Header>(datagram.bytes())->version_class_flow;
        datagram.pull(transport);
        push_ipv6_header(datagram, version_class_flow, asked, asker);
    } else {
        const Ipv4Header request = *view<Ipv4Header>(datagram.bytes());
        datagram.pull(transport);
        push_ipv4_header(datagram, request.dscp_ecn, asked, asker, request.identification,
                         request.flags_fragment & Ipv4Header::dont_fragment);
    }
    reset_metadata(datagram);
    return {};
}

}  // namespace weft
