#include "vswitch/port_guard.h"

#include <algorithm>
#include <expected>
#include <utility>

#include "vswitch/headers.h"
#include "vswitch/neighbor_discovery.h"
#include "vswitch/neighbor_headers.h"

namespace weft {

namespace {

constexpr std::uint16_t bootp_server = 67;
constexpr std::uint16_t bootp_client = 68;
constexpr std::uint16_t dhcpv6_server = 547;

// ICMPv6 types of RFC 4861, RFC 2710 and RFC 3810.
constexpr std::uint8_t mld_report = 131;
constexpr std::uint8_t mld_done = 132;
constexpr std::uint8_t router_solicitation = 133;
constexpr std::uint8_t router_advertisement = 134;
constexpr std::uint8_t redirect = 137;
constexpr std::uint8_t mldv2_report = 143;

constexpr std::uint8_t source_link_address = 1;
constexpr std::uint8_t target_link_address = 2;

constexpr std::uint16_t service_tag = 0x88A8;       // IEEE 802.1ad
constexpr std::uint16_t old_tag = 0x9100;           // what some switches had before it
constexpr std::uint16_t first_ether_type = 0x0600;  // what is less is a length, and LLC follows
constexpr int max_layers = 4;                       // tags and SNAP headers

struct TagAndType {
    be16 control;
    be16 type;
};

// RFC 1042 section "Header format"
struct SnapHeader {
    std::array<std::uint8_t, 3> llc{};  // AA AA 03
    std::array<std::uint8_t, 3> organization{};
    be16 type;
};

static_assert(sizeof(TagAndType) == 4 && sizeof(SnapHeader) == 8);

// What a frame is about in the end, and where that begins.
struct Content {
    std::uint16_t type = 0;
    std::size_t begin = 0;
};

constexpr bool is_tag(std::uint16_t type) noexcept {
    return type == ether_type::vlan || type == service_tag || type == old_tag;
}

// Ethernet II in LLC, by RFC 1042 or by the bridge tunnel of IEEE 802.1H.
bool is_ethernet(const SnapHeader& snap) noexcept {
    constexpr std::array<std::uint8_t, 3> unnumbered_snap{0xAA, 0xAA, 0x03};
    constexpr std::array<std::uint8_t, 3> encapsulated{0, 0, 0};
    constexpr std::array<std::uint8_t, 3> bridge_tunnel{0, 0, 0xF8};
    return snap.llc == unnumbered_snap &&
           (snap.organization == encapsulated || snap.organization == bridge_tunnel);
}

std::expected<Content, Drop> look_inside(std::span<const std::uint8_t> frame) noexcept {
    const auto* ethernet = view<EthernetHeader>(frame);
    if (ethernet == nullptr) return std::unexpected(Drop::truncated);
    Content content{.type = ethernet->type, .begin = sizeof *ethernet};
    for (int layer = 0; layer <= max_layers; ++layer) {
        if (is_tag(content.type)) {
            const auto* tag = view<TagAndType>(frame, content.begin);
            if (tag == nullptr) return std::unexpected(Drop::truncated);
            content = {.type = tag->type, .begin = content.begin + sizeof *tag};
        } else if (content.type < first_ether_type) {
            const auto* snap = view<SnapHeader>(frame, content.begin);
            if (snap == nullptr || !is_ethernet(*snap)) return content;
            content = {.type = snap->type, .begin = content.begin + sizeof *snap};
        } else {
            return content;
        }
    }
    return std::unexpected(Drop::malformed);
}

// Protocols whose header says more than the source does, and must be there to be read.
bool needs_transport(const FlowKey& flow) noexcept {
    return flow.protocol == ip_protocol::udp || flow.protocol == ip_protocol::tcp ||
           flow.protocol == (flow.source.is_v6() ? ip_protocol::icmpv6 : ip_protocol::icmp);
}

// Sources that a station has before it has any.
bool is_dhcp_client(const FlowKey& flow) noexcept {
    return flow.source.is_v4() && flow.protocol == ip_protocol::udp && flow.source_port == bootp_client &&
           flow.destination_port == bootp_server;
}

bool is_mld_report(const FlowKey& flow, std::uint8_t type) noexcept {
    return flow.source.is_v6() && (type == mld_report || type == mld_done || type == mldv2_report);
}

}  // namespace

PortGuard::PortGuard(const MacAddress& mac, std::vector<IpAddress> addresses)
    : mac_(mac), addresses_(std::move(addresses)) {
    addresses_.push_back(link_local_address(mac));
}

std::optional<Drop> PortGuard::check(Bytes frame, const Classified& what) const noexcept {
    if (what.flow.source_mac != mac_) return Drop::spoofed_mac;
    if (what.is_ip()) return check_ip(frame, what);
    const auto content = look_inside(frame);
    if (!content) return content.error();
    const Bytes packet = frame.subspan(content->begin);
    if (content->type == ether_type::arp) return check_arp(packet);
    if (content->type != ether_type::ipv4 && content->type != ether_type::ipv6) return std::nullopt;
    const auto inner = classify_datagram(packet);
    if (!inner) return inner.error();
    if (inner->flow.ether_type != content->type) return Drop::malformed;
    return check_ip(packet, *inner);
}

std::optional<Drop> PortGuard::check_arp(Bytes bytes) const noexcept {
    const auto* arp = view<ArpPacket>(bytes);
    if (arp == nullptr) return Drop::truncated;
    if (arp->hardware_type != 1 || arp->protocol_type != ether_type::ipv4 || arp->hardware_size != 6 ||
        arp->protocol_size != 4)
        return Drop::malformed;
    if (arp->sender_mac != mac_) return Drop::spoofed_arp;
    const IpAddress sender = IpAddress::v4(arp->sender_ip);
    if (is_own(sender)) return std::nullopt;
    const bool is_probe = sender.is_unspecified() && arp->operation == ArpPacket::request;
    if (is_probe && is_own(IpAddress::v4(arp->target_ip))) return std::nullopt;
    return Drop::spoofed_arp;
}

std::optional<Drop> PortGuard::check_ip(Bytes packet, const Classified& what) const noexcept {
    const FlowKey& flow = what.flow;
    std::uint8_t icmpv6 = 0;
    if (what.transport == Classified::absent) {
        if (!what.is_later_fragment && needs_transport(flow)) return Drop::malformed;
    } else if (flow.protocol == ip_protocol::udp) {
        if (flow.source_port == (flow.source.is_v6() ? dhcpv6_server : bootp_server))
            return Drop::dhcp_server;
        if (flow.source.is_unspecified() && is_dhcp_client(flow)) return std::nullopt;
    } else if (flow.protocol == ip_protocol::icmpv6 && flow.source.is_v6()) {
        if (const auto* header = view<IcmpHeader>(packet, what.transport)) icmpv6 = header->type;
        if (icmpv6 == router_advertisement || icmpv6 == redirect) return Drop::router_advertisement;
        if (icmpv6 >= router_solicitation && icmpv6 < redirect) return check_discovery(packet, what, icmpv6);
        if (flow.source.is_unspecified() && is_mld_report(flow, icmpv6)) return std::nullopt;
    }
    return is_own(flow.source) ? std::nullopt : std::optional{Drop::spoofed_ip};
}

// A target that one asks about may be anybody's; a target that one claims, by advertising it or by probing
// for duplicates, is one's own. Whether its hop limit and checksum are right is its receiver's business.
std::optional<Drop> PortGuard::check_discovery(Bytes packet, const Classified& what,
                                               std::uint8_t type) const noexcept {
    if (what.is_fragment) return Drop::spoofed_nd;
    const auto* ip = view<Ipv6Header>(packet, what.network);
    if (ip == nullptr) return Drop::truncated;
    const Bytes message =
        packet.first(what.network + sizeof *ip + ip->payload_length).subspan(what.transport);

    const IpAddress& source = what.flow.source;
    const bool is_unspecified = source.is_unspecified();
    if (type == router_solicitation) {
        if (!is_unspecified && !is_own(source)) return Drop::spoofed_nd;
        return check_options(message.subspan(sizeof(IcmpHeader)));
    }
    const auto* header = view<NeighborHeader>(message);
    if (header == nullptr) return Drop::truncated;
    const bool is_claim = type == icmpv6_type::neighbor_advertisement || is_unspecified;
    const bool may_ask = is_unspecified && type == icmpv6_type::neighbor_solicitation;
    if (!may_ask && !is_own(source)) return Drop::spoofed_nd;
    if (is_claim && !is_own(IpAddress::v6(header->target))) return Drop::spoofed_nd;
    return check_options(message.subspan(sizeof *header));
}

// Whose link-layer address an option gives is for its receiver to decide: all must be this station's.
std::optional<Drop> PortGuard::check_options(Bytes options) const noexcept {
    while (!options.empty()) {
        if (options.size() < 2 || options[1] == 0) return Drop::malformed;
        const std::size_t size = options[1] * std::size_t{8};
        if (size > options.size()) return Drop::malformed;
        if (options[0] == source_link_address || options[0] == target_link_address) {
            const auto* link = view<LinkAddressOption>(options);
            if (link == nullptr || size != sizeof *link || link->mac != mac_) return Drop::spoofed_nd;
        }
        options = options.subspan(size);
    }
    return std::nullopt;
}

bool PortGuard::is_own(const IpAddress& address) const noexcept {
    return std::ranges::find(addresses_, address) != addresses_.end();
}

}  // namespace weft
