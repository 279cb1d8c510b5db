#include "tests/support/packet_builder.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

namespace weft::test {

namespace {

constexpr std::uint16_t local_experimental = 0x88B5;  // IEEE 802: ether type for experiments
constexpr std::uint8_t experimental_protocol = 253;   // RFC 3692

// An 802.1Q tag as a layer: the ether type before it, 0x8100, belongs to the layer that it follows.
struct TagLayer {
    be16 control;
    be16 next_type;
};

template <class Value>
Value parsed(std::string_view text) {
    const auto value = Value::parse(text);
    if (!value) throw std::invalid_argument("malformed address in a test: " + std::string(text));
    return *value;
}

template <class Header>
Header& header_at(std::span<std::uint8_t> packet, std::size_t offset) {
    auto* header = writable_view<Header>(packet, offset);
    if (header == nullptr) throw std::logic_error("a layer is shorter than its header");
    return *header;
}

std::array<std::uint8_t, 4> v4_octets(const IpAddress& address) {
    std::array<std::uint8_t, 4> octets{};
    std::copy_n(address.octets().begin(), 4, octets.begin());
    return octets;
}

}  // namespace

MacAddress mac(std::string_view text) {
    return parsed<MacAddress>(text);
}

IpAddress ip(std::string_view text) {
    return parsed<IpAddress>(text);
}

Prefix prefix(std::string_view text) {
    return parsed<Prefix>(text);
}

template <class Header>
PacketBuilder& PacketBuilder::add(Kind kind, const Header& header) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&header);
    layers_.push_back({.kind = kind, .header = Bytes(bytes, bytes + sizeof header)});
    return *this;
}

template <class Header>
Header& PacketBuilder::last(Kind kind) {
    if (layers_.empty() || layers_.back().kind != kind)
        throw std::logic_error("a modifier for a layer of another kind");
    return header_at<Header>(layers_.back().header, 0);
}

PacketBuilder::Layer& PacketBuilder::last_ip() {
    const auto is_ip = [](const Layer& layer) {
        return layer.kind == Kind::ipv4 || layer.kind == Kind::ipv6;
    };
    const auto found = std::find_if(layers_.rbegin(), layers_.rend(), is_ip);
    if (found == layers_.rend()) throw std::logic_error("there is no IP layer yet");
    return *found;
}

bool PacketBuilder::in_ipv6() const {
    return const_cast<PacketBuilder*>(this)->last_ip().kind == Kind::ipv6;
}

PacketBuilder& PacketBuilder::ethernet(const MacAddress& destination, const MacAddress& source,
                                       std::uint16_t type) {
    add(Kind::ethernet, EthernetHeader{.destination = destination, .source = source, .type = type});
    layers_.back().explicit_next = type != 0;
    return *this;
}

PacketBuilder& PacketBuilder::vlan(VlanId vlan, unsigned priority) {
    const auto control = static_cast<std::uint16_t>(priority << 13U | vlan.value());
    return add(Kind::vlan, TagLayer{.control = control, .next_type = {}});
}

PacketBuilder& PacketBuilder::arp_request(const MacAddress& sender_mac, const IpAddress& sender,
                                          const IpAddress& target) {
    return arp(ArpPacket::request, sender_mac, sender, MacAddress{}, target);
}

PacketBuilder& PacketBuilder::arp_reply(const MacAddress& sender_mac, const IpAddress& sender,
                                        const MacAddress& target_mac, const IpAddress& target) {
    return arp(ArpPacket::reply, sender_mac, sender, target_mac, target);
}

PacketBuilder& PacketBuilder::arp(std::uint16_t operation, const MacAddress& sender_mac,
                                  const IpAddress& sender, const MacAddress& target_mac,
                                  const IpAddress& target) {
    return add(Kind::arp, ArpPacket{.hardware_type = std::uint16_t{1},
                                    .protocol_type = ether_type::ipv4,
                                    .hardware_size = 6,
                                    .protocol_size = 4,
                                    .operation = operation,
                                    .sender_mac = sender_mac,
                                    .sender_ip = v4_octets(sender),
                                    .target_mac = target_mac,
                                    .target_ip = v4_octets(target)});
}

PacketBuilder& PacketBuilder::ip(const IpAddress& source, const IpAddress& destination) {
    if (source.is_v6()) {
        return add(Kind::ipv6, Ipv6Header{.version_class_flow = std::uint32_t{6} << 28U,
                                          .payload_length = {},
                                          .next_header = ip_protocol::none,
                                          .hop_limit = 64,
                                          .source = source.octets(),
                                          .destination = destination.octets()});
    }
    return add(Kind::ipv4, Ipv4Header{.version_ihl = 0x45,
                                      .dscp_ecn = 0,
                                      .total_length = {},
                                      .identification = std::uint16_t{0x1234},
                                      .flags_fragment = {},
                                      .ttl = 64,
                                      .protocol = 0xFF,
                                      .checksum = {},
                                      .source = v4_octets(source),
                                      .destination = v4_octets(destination)});
}

PacketBuilder& PacketBuilder::ttl(std::uint8_t ttl) {
    Layer& layer = last_ip();
    if (layer.kind == Kind::ipv6) {
        header_at<Ipv6Header>(layer.header, 0).hop_limit = ttl;
    } else {
        header_at<Ipv4Header>(layer.header, 0).ttl = ttl;
    }
    return *this;
}

PacketBuilder& PacketBuilder::traffic_class(std::uint8_t value) {
    if (in_ipv6()) {
        last<Ipv6Header>(Kind::ipv6).version_class_flow = std::uint32_t{6} << 28U | std::uint32_t{value}
                                                                                        << 20U;
    } else {
        last<Ipv4Header>(Kind::ipv4).dscp_ecn = value;
    }
    return *this;
}

PacketBuilder& PacketBuilder::protocol(std::uint8_t protocol) {
    if (layers_.empty()) throw std::logic_error("a protocol of no layer");
    Layer& layer = layers_.back();
    layer.explicit_next = true;
    switch (layer.kind) {
        case Kind::ipv4:
            header_at<Ipv4Header>(layer.header, 0).protocol = protocol;
            break;
        case Kind::ipv6:
            header_at<Ipv6Header>(layer.header, 0).next_header = protocol;
            break;
        case Kind::extension:
            layer.header[0] = protocol;
            break;
        default:
            throw std::logic_error("a protocol of a layer that is not IP");
    }
    return *this;
}

PacketBuilder& PacketBuilder::identification(std::uint16_t value) {
    last<Ipv4Header>(Kind::ipv4).identification = value;
    return *this;
}

PacketBuilder& PacketBuilder::dont_fragment() {
    auto& header = last<Ipv4Header>(Kind::ipv4);
    header.flags_fragment = static_cast<std::uint16_t>(header.flags_fragment | Ipv4Header::dont_fragment);
    return *this;
}

PacketBuilder& PacketBuilder::ip_options(std::span<const std::uint8_t> options) {
    auto& header = last<Ipv4Header>(Kind::ipv4);
    header.version_ihl = static_cast<std::uint8_t>(header.version_ihl + options.size() / 4);
    layers_.back().header.insert(layers_.back().header.end(), options.begin(), options.end());
    return *this;
}

PacketBuilder& PacketBuilder::fragment(std::uint16_t offset, bool more, std::uint32_t identification) {
    if (in_ipv6()) {
        const auto offset_flags =
            static_cast<std::uint16_t>(offset | (more ? Ipv6FragmentHeader::more_fragments : 0));
        add(Kind::extension, Ipv6FragmentHeader{.next_header = ip_protocol::none,
                                                .reserved = 0,
                                                .offset_flags = offset_flags,
                                                .identification = identification});
        layers_.back().extension_type = ip_protocol::fragment;
        return *this;
    }
    auto& header = last<Ipv4Header>(Kind::ipv4);
    header.flags_fragment = static_cast<std::uint16_t>(offset / 8 | (more ? Ipv4Header::more_fragments : 0));
    header.identification = static_cast<std::uint16_t>(identification);
    return *this;
}

PacketBuilder& PacketBuilder::extension(std::uint8_t type, std::uint8_t units) {
    Layer layer{.kind = Kind::extension, .header = {}, .extension_type = type};
    if (type == ip_protocol::authentication) {
        layer.header.assign(12 + units * std::size_t{4}, 0xAA);
        layer.header[1] = static_cast<std::uint8_t>(units + 1);
    } else {
        layer.header.assign(8 + units * std::size_t{8}, 0);  // Pad1 options
        layer.header[1] = units;
    }
    layer.header[0] = ip_protocol::none;
    layers_.push_back(std::move(layer));
    return *this;
}

PacketBuilder& PacketBuilder::udp(std::uint16_t source, std::uint16_t destination) {
    return add(
        Kind::udp,
        UdpHeader{.source_port = source, .destination_port = destination, .length = {}, .checksum = {}});
}

PacketBuilder& PacketBuilder::udp_without_checksum(std::uint16_t source, std::uint16_t destination) {
    udp(source, destination);
    layers_.back().has_checksum = false;
    return *this;
}

PacketBuilder& PacketBuilder::tcp(std::uint16_t source, std::uint16_t destination, std::uint8_t flags) {
    return add(Kind::tcp, TcpHeader{.source_port = source,
                                    .destination_port = destination,
                                    .sequence = std::uint32_t{1},
                                    .acknowledgment = std::uint32_t{1},
                                    .data_offset = 5 << 4,
                                    .flags = flags,
                                    .window = std::uint16_t{0xFFFF},
                                    .checksum = {},
                                    .urgent = {}});
}

PacketBuilder& PacketBuilder::sequence(std::uint32_t sequence, std::uint32_t acknowledgment) {
    auto& header = last<TcpHeader>(Kind::tcp);
    header.sequence = sequence;
    header.acknowledgment = acknowledgment;
    return *this;
}

PacketBuilder& PacketBuilder::window(std::uint16_t window) {
    last<TcpHeader>(Kind::tcp).window = window;
    return *this;
}

PacketBuilder& PacketBuilder::tcp_options(std::span<const std::uint8_t> options) {
    auto& header = last<TcpHeader>(Kind::tcp);
    header.data_offset = static_cast<std::uint8_t>(header.data_offset + (options.size() / 4 << 4U));
    layers_.back().header.insert(layers_.back().header.end(), options.begin(), options.end());
    return *this;
}

PacketBuilder& PacketBuilder::icmp(std::uint8_t type, std::uint8_t code, std::uint32_t rest) {
    return add(Kind::icmp, IcmpHeader{.type = type, .code = code, .checksum = {}, .rest = rest});
}

PacketBuilder& PacketBuilder::echo_request(std::uint16_t identifier, std::uint16_t sequence) {
    const std::uint8_t type = in_ipv6() ? icmpv6_type::echo_request : icmp_type::echo_request;
    return icmp(type, 0, std::uint32_t{identifier} << 16U | sequence);
}

PacketBuilder& PacketBuilder::echo_reply(std::uint16_t identifier, std::uint16_t sequence) {
    const std::uint8_t type = in_ipv6() ? icmpv6_type::echo_reply : icmp_type::echo_reply;
    return icmp(type, 0, std::uint32_t{identifier} << 16U | sequence);
}

PacketBuilder& PacketBuilder::neighbor_solicitation(const IpAddress& target, const MacAddress& source_mac) {
    return neighbor_message(icmpv6_type::neighbor_solicitation, 0, target, 1, source_mac);
}

PacketBuilder& PacketBuilder::neighbor_advertisement(const IpAddress& target, const MacAddress& target_mac,
                                                     bool solicited) {
    constexpr std::uint32_t override_flag = 0x20000000;
    constexpr std::uint32_t solicited_flag = 0x40000000;
    const std::uint32_t flags = override_flag | (solicited ? solicited_flag : 0);
    return neighbor_message(icmpv6_type::neighbor_advertisement, flags, target, 2, target_mac);
}

PacketBuilder& PacketBuilder::neighbor_message(std::uint8_t type, std::uint32_t flags,
                                               const IpAddress& target, std::uint8_t option,
                                               const MacAddress& link_address) {
    Bytes body(target.bytes().begin(), target.bytes().end());
    body.insert(body.end(), {option, 1});
    body.insert(body.end(), link_address.octets.begin(), link_address.octets.end());
    return ttl(255).icmp(type, 0, flags).payload(body);
}

PacketBuilder& PacketBuilder::payload(std::span<const std::uint8_t> bytes) {
    layers_.push_back({.kind = Kind::payload, .header = Bytes(bytes.begin(), bytes.end())});
    return *this;
}

PacketBuilder& PacketBuilder::payload(std::size_t size) {
    Bytes pattern(size);
    for (std::size_t i = 0; i < size; ++i) pattern[i] = static_cast<std::uint8_t>(i * 7 + (i >> 8U));
    return payload(pattern);
}

PacketBuilder& PacketBuilder::pad_to(std::size_t size) {
    padded_size_ = size;
    return *this;
}

// From the inside out, since an outer checksum covers the inner layers.
Bytes PacketBuilder::build() const {
    Bytes packet;
    std::vector<std::size_t> offsets;
    for (const Layer& layer : layers_) {
        offsets.push_back(packet.size());
        packet.insert(packet.end(), layer.header.begin(), layer.header.end());
    }
    for (std::size_t i = layers_.size(); i-- > 0;) complete(i, offsets[i], packet);
    packet.resize(std::max(packet.size(), padded_size_));
    return packet;
}

Packet PacketBuilder::build(PacketPool& pool) const {
    Packet packet = pool.take(build());
    if (!packet) throw std::runtime_error("the test's packet pool is too small");
    return packet;
}

void PacketBuilder::complete(std::size_t layer, std::size_t offset, std::span<std::uint8_t> packet) const {
    const bool next_is_open = !layers_[layer].explicit_next;
    const std::span<std::uint8_t> bytes = packet.subspan(offset);
    switch (layers_[layer].kind) {
        case Kind::ethernet:
            if (next_is_open) header_at<EthernetHeader>(bytes, 0).type = ether_type_after(layer);
            break;
        case Kind::vlan:
            header_at<TagLayer>(bytes, 0).next_type = ether_type_after(layer);
            break;
        case Kind::ipv4: {
            auto& header = header_at<Ipv4Header>(bytes, 0);
            if (next_is_open) header.protocol = protocol_after(layer);
            header.total_length = static_cast<std::uint16_t>(bytes.size());
            header.checksum = ipv4_header_checksum(bytes.first(header.header_size()));
            break;
        }
        case Kind::ipv6: {
            auto& header = header_at<Ipv6Header>(bytes, 0);
            if (next_is_open) header.next_header = protocol_after(layer);
            header.payload_length = static_cast<std::uint16_t>(bytes.size() - sizeof header);
            break;
        }
        case Kind::extension:
            if (next_is_open) bytes[0] = protocol_after(layer);
            break;
        case Kind::udp:
        case Kind::tcp:
        case Kind::icmp:
            complete_transport(layer, offset, packet);
            break;
        case Kind::arp:
        case Kind::payload:
            break;
    }
}

void PacketBuilder::complete_transport(std::size_t layer, std::size_t offset,
                                       std::span<std::uint8_t> packet) const {
    const std::span<std::uint8_t> bytes = packet.subspan(offset);
    const auto checksum = [&](std::uint8_t protocol) {
        ChecksumSum sum = pseudo_sum(layer, offset, packet, protocol);
        sum.add(bytes);
        return sum.finish();
    };
    if (layers_[layer].kind == Kind::tcp) {
        header_at<TcpHeader>(bytes, 0).checksum = checksum(ip_protocol::tcp);
    } else if (layers_[layer].kind == Kind::icmp) {
        header_at<IcmpHeader>(bytes, 0).checksum = checksum(ip_protocol::icmpv6);
    } else {
        auto& header = header_at<UdpHeader>(bytes, 0);
        header.length = static_cast<std::uint16_t>(bytes.size());
        if (!layers_[layer].has_checksum) return;
        const std::uint16_t sum = checksum(ip_protocol::udp);
        header.checksum = sum == 0 ? std::uint16_t{0xFFFF} : sum;  // RFC 768: 0 says that there is none
    }
}

// The pseudo-header of the innermost IP layer around `layer`; nothing for ICMP in IPv4, which has none.
ChecksumSum PacketBuilder::pseudo_sum(std::size_t layer, std::size_t offset, std::span<std::uint8_t> packet,
                                      std::uint8_t protocol) const {
    const auto size = static_cast<std::uint32_t>(packet.size() - offset);
    for (std::size_t outer = layer; outer-- > 0;) {
        offset -= layers_[outer].header.size();
        if (layers_[outer].kind == Kind::ipv6) {
            const auto& header = header_at<Ipv6Header>(packet, offset);
            return pseudo_header_sum(IpAddress::v6(header.source), IpAddress::v6(header.destination),
                                     protocol, size);
        }
        if (layers_[outer].kind == Kind::ipv4) {
            if (layers_[layer].kind == Kind::icmp) return {};
            const auto& header = header_at<Ipv4Header>(packet, offset);
            return pseudo_header_sum(IpAddress::v4(header.source), IpAddress::v4(header.destination),
                                     protocol, size);
        }
    }
    throw std::logic_error("a transport layer without an IP layer");
}

std::uint16_t PacketBuilder::ether_type_after(std::size_t layer) const {
    if (layer + 1 == layers_.size()) return local_experimental;
    switch (layers_[layer + 1].kind) {
        case Kind::vlan:
            return ether_type::vlan;
        case Kind::arp:
            return ether_type::arp;
        case Kind::ipv4:
            return ether_type::ipv4;
        case Kind::ipv6:
            return ether_type::ipv6;
        default:
            return local_experimental;
    }
}

std::uint8_t PacketBuilder::protocol_after(std::size_t layer) const {
    const bool carrier_is_v6 = layers_[layer].kind != Kind::ipv4;
    if (layer + 1 == layers_.size()) return carrier_is_v6 ? ip_protocol::none : experimental_protocol;
    switch (layers_[layer + 1].kind) {
        case Kind::ipv4:
            return ip_protocol::ipv4;
        case Kind::ipv6:
            return ip_protocol::ipv6;
        case Kind::extension:
            return layers_[layer + 1].extension_type;
        case Kind::udp:
            return ip_protocol::udp;
        case Kind::tcp:
            return ip_protocol::tcp;
        case Kind::icmp:
            return carrier_is_v6 ? ip_protocol::icmpv6 : ip_protocol::icmp;
        default:
            return experimental_protocol;
    }
}

}  // namespace weft::test
