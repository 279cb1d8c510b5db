#include "vswitch/flow.h"

#include "vswitch/checksum.h"
#include "vswitch/headers.h"
#include "vswitch/mix.h"

namespace weft {

namespace {

using Bytes = std::span<const std::uint8_t>;

// A longer chain of extension headers than any sender has use for: work for the sake of work.
constexpr int max_extension_headers = 8;

// What follows the IP header and its extensions.
struct Payload {
    std::uint8_t protocol = 0;
    std::size_t begin = 0;
    std::size_t end = 0;  // as the IP header says: bytes behind it are padding
    bool is_fragment = false;
    bool has_transport = true;  // false in later fragments
};

std::expected<Payload, Drop> read_ipv4(Bytes datagram, FlowKey& flow) noexcept {
    const auto* header = view<Ipv4Header>(datagram);
    if (header == nullptr) return std::unexpected(Drop::truncated);
    const std::size_t header_size = header->header_size();
    const std::size_t total_length = header->total_length;
    if (header->version_ihl >> 4U != 4 || header_size < sizeof *header)
        return std::unexpected(Drop::malformed);
    if (total_length < header_size) return std::unexpected(Drop::malformed);
    if (total_length > datagram.size()) return std::unexpected(Drop::truncated);

    flow.source = IpAddress::v4(header->source);
    flow.destination = IpAddress::v4(header->destination);
    return Payload{.protocol = header->protocol,
                   .begin = header_size,
                   .end = total_length,
                   .is_fragment = header->is_fragment(),
                   .has_transport = (header->flags_fragment & Ipv4Header::offset_mask) == 0};
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

// The size of an extension header, of which the first eight bytes are there.
std::size_t extension_size(std::uint8_t type, const std::uint8_t* header) noexcept {
    switch (type) {
        case ip_protocol::fragment:
            return sizeof(Ipv6FragmentHeader);
        case ip_protocol::authentication:
            return (header[1] + std::size_t{2}) * 4;  // RFC 4302 section 2.2
        default:
            return (header[1] + std::size_t{1}) * 8;  // RFC 8200 section 4
    }
}

// Walks from the fixed header to the upper layer, or to the first header of which this fragment holds only a
// part.
std::expected<Payload, Drop> walk_extensions(Bytes datagram, std::uint8_t next_header) noexcept {
    Payload payload{.protocol = next_header, .begin = sizeof(Ipv6Header), .end = datagram.size()};
    for (int seen = 0; is_extension(payload.protocol); ++seen) {
        // Hop-by-hop options stand first or nowhere (RFC 8200 section 4.1).
        const bool misplaced = payload.protocol == ip_protocol::hop_by_hop && seen > 0;
        if (misplaced || seen == max_extension_headers) return std::unexpected(Drop::malformed);

        const auto* fragment = view<Ipv6FragmentHeader>(datagram, payload.begin);
        if (fragment == nullptr) return std::unexpected(Drop::truncated);
        const std::size_t size = extension_size(payload.protocol, datagram.data() + payload.begin);
        if (size > datagram.size() - payload.begin) return std::unexpected(Drop::truncated);

        const bool is_fragment_header = payload.protocol == ip_protocol::fragment;
        payload.protocol = fragment->next_header;  // every extension header begins with it
        payload.begin += size;
        if (!is_fragment_header) continue;
        payload.is_fragment |= fragment->is_fragment();
        payload.has_transport = fragment->offset() == 0;
        if (!payload.has_transport) return payload;
    }
    return payload;
}

// A jumbogram (RFC 2675) has a payload length of 0, which leaves no room for its own hop-by-hop option:
// truncated.
std::expected<Payload, Drop> read_ipv6(Bytes datagram, FlowKey& flow) noexcept {
    const auto* header = view<Ipv6Header>(datagram);
    if (header == nullptr) return std::unexpected(Drop::truncated);
    if (header->version_class_flow >> 28U != 6) return std::unexpected(Drop::malformed);
    const std::size_t size = sizeof *header + header->payload_length;
    if (size > datagram.size()) return std::unexpected(Drop::truncated);

    const auto payload = walk_extensions(datagram.first(size), header->next_header);
    if (!payload) return payload;
    flow.source = IpAddress::v6(header->source);
    flow.destination = IpAddress::v6(header->destination);
    return payload;
}

bool is_echo(std::uint8_t protocol, std::uint8_t type) noexcept {
    return protocol == ip_protocol::icmp
               ? type == icmp_type::echo_request || type == icmp_type::echo_reply
               : type == icmpv6_type::echo_request || type == icmpv6_type::echo_reply;
}

// Reads the ports. False if this is no protocol of weft's interest, or its header is not all there: a tiny
// first fragment is a lawful datagram, and so is a broken segment, for the router at least.
bool read_transport(Bytes transport, FlowKey& flow) noexcept {
    switch (flow.protocol) {
        case ip_protocol::tcp: {
            const auto* tcp = view<TcpHeader>(transport);
            if (tcp == nullptr || tcp->header_size() < sizeof *tcp || tcp->header_size() > transport.size())
                return false;
            flow.source_port = tcp->source_port;
            flow.destination_port = tcp->destination_port;
            return true;
        }
        case ip_protocol::udp: {
            const auto* udp = view<UdpHeader>(transport);
            if (udp == nullptr) return false;
            flow.source_port = udp->source_port;
            flow.destination_port = udp->destination_port;
            return true;
        }
        case ip_protocol::icmp:
        case ip_protocol::icmpv6: {
            const auto* icmp = view<IcmpHeader>(transport);
            if (icmp == nullptr) return false;
            if (!is_echo(flow.protocol, icmp->type)) return true;
            flow.source_port = static_cast<std::uint16_t>(icmp->rest >> 16U);
            flow.destination_port = flow.source_port;
            return true;
        }
        default:
            return false;
    }
}

void note_payload(Classified& what, Bytes packet, std::size_t network, const Payload& payload) noexcept {
    what.network = static_cast<std::uint16_t>(network);
    what.is_fragment = payload.is_fragment;
    what.is_later_fragment = !payload.has_transport;
    what.flow.protocol = payload.protocol;
    if (!payload.has_transport) return;
    const std::size_t begin = network + payload.begin;
    if (read_transport(packet.subspan(begin, payload.end - payload.begin), what.flow)) {
        what.transport = static_cast<std::uint16_t>(begin);
    }
}

}  // namespace

std::expected<Classified, Drop> classify_frame(std::span<const std::uint8_t> frame, VlanId vlan) noexcept {
    const auto* ethernet = view<EthernetHeader>(frame);
    if (ethernet == nullptr) return std::unexpected(Drop::truncated);
    Classified what;
    what.flow.destination_mac = ethernet->destination;
    what.flow.source_mac = ethernet->source;
    what.flow.ether_type = ethernet->type;
    what.flow.vlan = vlan;

    const Bytes datagram = frame.subspan(sizeof *ethernet);
    std::expected<Payload, Drop> payload = std::unexpected(Drop::unknown_protocol);
    if (what.flow.ether_type == ether_type::ipv4) payload = read_ipv4(datagram, what.flow);
    if (what.flow.ether_type == ether_type::ipv6) payload = read_ipv6(datagram, what.flow);
    if (payload) note_payload(what, frame, sizeof *ethernet, *payload);
    return what;
}

std::expected<Classified, Drop> classify_datagram(std::span<const std::uint8_t> datagram) noexcept {
    if (datagram.empty()) return std::unexpected(Drop::truncated);
    Classified what;
    std::expected<Payload, Drop> payload = std::unexpected(Drop::unknown_protocol);
    switch (datagram[0] >> 4U) {
        case 4:
            what.flow.ether_type = ether_type::ipv4;
            payload = read_ipv4(datagram, what.flow);
            if (payload && ipv4_header_checksum(datagram.first(payload->begin)) != 0) {
                return std::unexpected(Drop::bad_checksum);
            }
            break;
        case 6:
            what.flow.ether_type = ether_type::ipv6;
            payload = read_ipv6(datagram, what.flow);
            break;
        default:
            break;
    }
    if (!payload) return std::unexpected(payload.error());
    note_payload(what, datagram, 0, *payload);
    return what;
}

std::uint32_t hash(const FlowKey& flow) noexcept {
    const std::uint8_t* source = flow.source.octets().data();
    const std::uint8_t* destination = flow.destination.octets().data();
    std::uint64_t state = mix(flow.destination_mac.to_uint64() << 16U | flow.ether_type,
                              flow.source_mac.to_uint64() << 16U | flow.vlan.value());
    state = mix(state ^ load_native(source), load_native(destination));
    if (flow.source.is_v6()) state = mix(state ^ load_native(source + 8), load_native(destination + 8));
    state = mix(state, std::uint64_t{flow.protocol} << 32U | std::uint64_t{flow.source_port} << 16U |
                           flow.destination_port);
    return static_cast<std::uint32_t>(state >> 32U);
}

}  // namespace weft
