#include "lab/simulation/datagram.h"

#include <algorithm>

#include "vswitch/checksum.h"

namespace weft::lab {

namespace {

constexpr std::uint8_t ttl = 64;

std::uint16_t transport_checksum(std::span<const std::uint8_t> transport, const Endpoints& between,
                                 std::uint8_t protocol) noexcept {
    ChecksumSum sum = protocol == ip_protocol::icmp
                          ? ChecksumSum{}
                          : pseudo_header_sum(between.source, between.destination, protocol,
                                              static_cast<std::uint32_t>(transport.size()));
    sum.add(transport);
    return sum.finish();
}

}  // namespace

std::size_t ip_header_size(const IpAddress& address) noexcept {
    return address.is_v6() ? sizeof(Ipv6Header) : sizeof(Ipv4Header);
}

std::span<std::uint8_t> begin_datagram(Packet& packet, const Endpoints& between, std::uint8_t protocol,
                                       std::size_t size) noexcept {
    const std::size_t header_size = ip_header_size(between.source);
    packet.resize(header_size + size);
    if (between.source.is_v6()) {
        *writable_view<Ipv6Header>(packet.bytes()) = {.version_class_flow = std::uint32_t{6} << 28U,
                                                      .payload_length = static_cast<std::uint16_t>(size),
                                                      .next_header = protocol,
                                                      .hop_limit = ttl,
                                                      .source = between.source.octets(),
                                                      .destination = between.destination.octets()};
    } else {
        auto* header = writable_view<Ipv4Header>(packet.bytes());
        *header = {.version_ihl = 0x45,
                   .dscp_ecn = 0,
                   .total_length = static_cast<std::uint16_t>(header_size + size),
                   .identification = std::uint16_t{0},  // RFC 6864: it will not be cut
                   .flags_fragment = Ipv4Header::dont_fragment,
                   .ttl = ttl,
                   .protocol = protocol,
                   .checksum = std::uint16_t{0}};
        std::ranges::copy(between.source.bytes(), header->source.begin());
        std::ranges::copy(between.destination.bytes(), header->destination.begin());
        header->checksum = ipv4_header_checksum(packet.bytes().first(header_size));
    }
    return packet.bytes().subspan(header_size);
}

void finish_udp(std::span<std::uint8_t> transport, const Endpoints& between) noexcept {
    auto* header = writable_view<UdpHeader>(transport);
    *header = {.source_port = between.source_port,
               .destination_port = between.destination_port,
               .length = static_cast<std::uint16_t>(transport.size()),
               .checksum = std::uint16_t{0}};
    const std::uint16_t checksum = transport_checksum(transport, between, ip_protocol::udp);
    header->checksum = checksum == 0 ? std::uint16_t{0xFFFF} : checksum;  // 0 says that there is none
}

void finish_echo_request(std::span<std::uint8_t> transport, const Endpoints& between,
                         std::uint16_t sequence) noexcept {
    const bool is_v6 = between.source.is_v6();
    auto* header = writable_view<IcmpHeader>(transport);
    *header = {.type = is_v6 ? icmpv6_type::echo_request : icmp_type::echo_request,
               .code = 0,
               .checksum = std::uint16_t{0},
               .rest = std::uint32_t{between.source_port} << 16U | sequence};
    header->checksum =
        transport_checksum(transport, between, is_v6 ? ip_protocol::icmpv6 : ip_protocol::icmp);
}

void finish_tcp(std::span<std::uint8_t> transport, const Endpoints& between) noexcept {
    auto* header = writable_view<TcpHeader>(transport);
    header->checksum = std::uint16_t{0};
    header->checksum = transport_checksum(transport, between, ip_protocol::tcp);
}

std::optional<Received> check_datagram(std::span<const std::uint8_t> datagram) noexcept {
    const auto what = classify_datagram(datagram);
    if (!what || what->transport == Classified::absent || what->is_fragment) return std::nullopt;
    const std::size_t end = what->flow.source.is_v6()
                                ? sizeof(Ipv6Header) + view<Ipv6Header>(datagram)->payload_length.value()
                                : view<Ipv4Header>(datagram)->total_length.value();
    if (end > datagram.size() || end < what->transport) return std::nullopt;
    const auto transport = datagram.subspan(what->transport, end - what->transport);
    const Endpoints between{.source = what->flow.source, .destination = what->flow.destination};
    if (transport_checksum(transport, between, what->flow.protocol) != 0) return std::nullopt;
    return Received{*what, transport};
}

}  // namespace weft::lab
