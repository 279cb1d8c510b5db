#include "vswitch/neighbor_discovery.h"

#include <algorithm>

#include "vswitch/checksum.h"
#include "vswitch/gso.h"
#include "vswitch/headers.h"
#include "vswitch/neighbor_headers.h"

namespace weft {

namespace {

constexpr std::uint8_t router_solicitation = 133;
constexpr std::uint8_t redirect = 137;

constexpr std::uint8_t source_link_address = 1;
constexpr std::uint8_t target_link_address = 2;

constexpr std::uint32_t router_flag = 0x80000000;
constexpr std::uint32_t solicited_flag = 0x40000000;
constexpr std::uint32_t override_flag = 0x20000000;

constexpr std::uint8_t fresh_hop_limit = 255;

// Every option must have a length; an unknown one is skipped (RFC 4861 section 4.6).
std::expected<std::optional<MacAddress>, Drop> find_link_address(std::span<const std::uint8_t> options,
                                                                 std::uint8_t type) noexcept {
    std::optional<MacAddress> found;
    while (!options.empty()) {
        if (options.size() < 2 || options[1] == 0) return std::unexpected(Drop::malformed);
        const std::size_t size = options[1] * std::size_t{8};
        if (size > options.size()) return std::unexpected(Drop::malformed);
        if (options[0] == type && size == sizeof(LinkAddressOption)) {
            const MacAddress mac = view<LinkAddressOption>(options)->mac;
            if (mac.is_group() || mac.is_zero()) return std::unexpected(Drop::malformed);
            found = mac;
        }
        options = options.subspan(size);
    }
    return found;
}

bool is_solicited_node(const IpAddress& address) noexcept {
    return address.is_multicast() && address == solicited_node(address);
}

// RFC 4861 section 7.1.1 and 7.1.2, beyond what holds for both.
bool is_consistent(const NeighborMessage& message) noexcept {
    if (message.target.is_multicast() || message.target.is_unspecified()) return false;
    if (!message.is_solicitation) return !(message.destination.is_multicast() && message.solicited);
    if (!message.source.is_unspecified()) return !message.source.is_multicast();
    return is_solicited_node(message.destination) && !message.link_address;
}

}  // namespace

bool is_neighbor_discovery(const Packet& frame, const Classified& what) noexcept {
    if (!what.is_ip() || !what.flow.source.is_v6() || what.flow.protocol != ip_protocol::icmpv6) return false;
    if (what.transport == Classified::absent || what.is_fragment) return false;
    const auto* icmp = view<IcmpHeader>(frame.bytes(), what.transport);
    return icmp != nullptr && icmp->type >= router_solicitation && icmp->type <= redirect;
}

std::expected<std::optional<NeighborMessage>, Drop> parse_neighbor_message(Packet& frame,
                                                                           const Classified& what) noexcept {
    const auto* ip = view<Ipv6Header>(frame.bytes(), what.network);
    if (ip == nullptr || what.transport < what.network + sizeof(Ipv6Header))
        return std::unexpected(Drop::truncated);
    const std::size_t end = what.network + sizeof(Ipv6Header) + ip->payload_length;
    if (end > frame.size() || what.transport + sizeof(IcmpHeader) > end)
        return std::unexpected(Drop::truncated);
    complete_checksum(frame);
    const auto bytes = frame.bytes().subspan(what.transport, end - what.transport);
    ChecksumSum sum = pseudo_header_sum(what.flow.source, what.flow.destination, ip_protocol::icmpv6,
                                        static_cast<std::uint32_t>(bytes.size()));
    sum.add(bytes);
    if (sum.finish() != 0) return std::unexpected(Drop::bad_checksum);

    const IcmpHeader& icmp = *view<IcmpHeader>(bytes);
    if (ip->hop_limit != fresh_hop_limit || icmp.code != 0) return std::unexpected(Drop::malformed);
    if (icmp.type != icmpv6_type::neighbor_solicitation && icmp.type != icmpv6_type::neighbor_advertisement)
        return std::nullopt;
    const auto* header = view<NeighborHeader>(bytes);
    if (header == nullptr) return std::unexpected(Drop::truncated);

    const bool is_solicitation = icmp.type == icmpv6_type::neighbor_solicitation;
    const auto link_address = find_link_address(bytes.subspan(sizeof(NeighborHeader)),
                                                is_solicitation ? source_link_address : target_link_address);
    if (!link_address) return std::unexpected(link_address.error());
    const NeighborMessage message{.is_solicitation = is_solicitation,
                                  .from_router = !is_solicitation && (icmp.rest & router_flag) != 0,
                                  .solicited = !is_solicitation && (icmp.rest & solicited_flag) != 0,
                                  .override_entry = !is_solicitation && (icmp.rest & override_flag) != 0,
                                  .source = what.flow.source,
                                  .destination = what.flow.destination,
                                  .target = IpAddress::v6(header->target),
                                  .link_address = *link_address};
    if (!is_consistent(message)) return std::unexpected(Drop::malformed);
    return message;
}

IpAddress solicited_node(const IpAddress& address) noexcept {
    const auto& low = address.octets();
    return IpAddress::v6({0xFF, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xFF, low[13], low[14], low[15]});
}

MacAddress multicast_mac(const IpAddress& group) noexcept {
    const auto& low = group.octets();
    return MacAddress{{0x33, 0x33, low[12], low[13], low[14], low[15]}};
}

IpAddress link_local_address(const MacAddress& mac) noexcept {
    const auto& octets = mac.octets;
    return IpAddress::v6({0xFE, 0x80, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(octets[0] ^ 0x02U),
                          octets[1], octets[2], 0xFF, 0xFE, octets[3], octets[4], octets[5]});
}

void write_neighbor_message(Packet& frame, const NeighborMessage& message, const MacAddress& mac,
                            const MacAddress& destination) noexcept {
    constexpr std::size_t network = sizeof(EthernetHeader);
    constexpr std::size_t transport = network + sizeof(Ipv6Header);
    constexpr std::size_t size = sizeof(NeighborHeader) + sizeof(LinkAddressOption);
    const std::uint32_t flags = message.is_solicitation ? 0
                                                        : (message.from_router ? router_flag : 0) |
                                                              (message.solicited ? solicited_flag : 0) |
                                                              (message.override_entry ? override_flag : 0);
    frame.resize(transport + size);
    *writable_view<EthernetHeader>(frame.bytes()) = {
        .destination = destination, .source = mac, .type = ether_type::ipv6};
    *writable_view<Ipv6Header>(frame.bytes(), network) = {.version_class_flow = 0x60000000U,
                                                          .payload_length = static_cast<std::uint16_t>(size),
                                                          .next_header = ip_protocol::icmpv6,
                                                          .hop_limit = fresh_hop_limit,
                                                          .source = message.source.octets(),
                                                          .destination = message.destination.octets()};
    auto* header = writable_view<NeighborHeader>(frame.bytes(), transport);
    *header = {.icmp = {.type = message.is_solicitation ? icmpv6_type::neighbor_solicitation
                                                        : icmpv6_type::neighbor_advertisement,
                        .code = 0,
                        .checksum = {},
                        .rest = flags},
               .target = message.target.octets()};
    *writable_view<LinkAddressOption>(frame.bytes(), transport + sizeof(NeighborHeader)) = {
        .type = message.is_solicitation ? source_link_address : target_link_address, .length = 1, .mac = mac};

    ChecksumSum sum = pseudo_header_sum(message.source, message.destination, ip_protocol::icmpv6, size);
    sum.add(frame.bytes().subspan(transport));
    header->icmp.checksum = sum.finish();
    frame.offload() = Offload{};
}

}  // namespace weft
