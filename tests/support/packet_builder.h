// Builds valid packets, a layer at a time from the outside in:
//
//     PacketBuilder().ethernet(a, b).vlan(VlanId{10}).ip(source, destination).ttl(1).udp(1000,
//     53).payload(32).build()
//
// A modifier (ttl, sequence, ...) speaks of the layer named last before it. build() fills in what follows
// from the rest: ether types and next headers, lengths, and the checksums of IPv4, TCP, UDP and ICMP. Layers
// nest as they like: VXLAN is udp().payload(bytes).ethernet(), the quotation in an ICMP error is icmp(3,
// 1).ip().udp(). Whoever needs a broken packet builds a valid one and breaks it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "vswitch/address.h"
#include "vswitch/checksum.h"
#include "vswitch/headers.h"
#include "vswitch/id.h"
#include "vswitch/packet.h"

namespace weft::test {

using Bytes = std::vector<std::uint8_t>;

// From text; an exception if it is malformed.
MacAddress mac(std::string_view text);
IpAddress ip(std::string_view text);
Prefix prefix(std::string_view text);

class PacketBuilder {
  public:
    PacketBuilder& ethernet(const MacAddress& destination, const MacAddress& source, std::uint16_t type = 0);
    PacketBuilder& vlan(VlanId vlan, unsigned priority = 0);

    PacketBuilder& arp_request(const MacAddress& sender_mac, const IpAddress& sender,
                               const IpAddress& target);
    PacketBuilder& arp_reply(const MacAddress& sender_mac, const IpAddress& sender,
                             const MacAddress& target_mac, const IpAddress& target);

    // IPv4 or IPv6, as the addresses are; TTL 64, IPv4 without DF.
    PacketBuilder& ip(const IpAddress& source, const IpAddress& destination);
    PacketBuilder& ttl(std::uint8_t ttl);                // or hop limit
    PacketBuilder& traffic_class(std::uint8_t value);    // DSCP and ECN
    PacketBuilder& protocol(std::uint8_t protocol);      // for a payload that no layer here describes
    PacketBuilder& identification(std::uint16_t value);  // IPv4
    PacketBuilder& dont_fragment();                      // IPv4
    PacketBuilder& ip_options(std::span<const std::uint8_t> options);  // IPv4; a multiple of 4 bytes

    // A fragment whose payload stands at `offset` (a multiple of 8): flags in IPv4, a header of its own in
    // IPv6. Only the first has a transport layer; the others need protocol() and a payload().
    PacketBuilder& fragment(std::uint16_t offset, bool more, std::uint32_t identification = 0x1234);

    // An IPv6 extension header of type hop_by_hop, routing, destination_options or authentication; 8 +
    // `units` * 8 bytes (authentication: 12 + `units` * 4), filled with padding options.
    PacketBuilder& extension(std::uint8_t type, std::uint8_t units = 0);

    PacketBuilder& udp(std::uint16_t source, std::uint16_t destination);
    PacketBuilder& udp_without_checksum(std::uint16_t source, std::uint16_t destination);

    PacketBuilder& tcp(std::uint16_t source, std::uint16_t destination, std::uint8_t flags = TcpHeader::ack);
    PacketBuilder& sequence(std::uint32_t sequence, std::uint32_t acknowledgment = 0);
    PacketBuilder& window(std::uint16_t window);
    PacketBuilder& tcp_options(std::span<const std::uint8_t> options);  // a multiple of 4 bytes

    // ICMP in IPv4, ICMPv6 in IPv6; `rest` are the four bytes after the checksum.
    PacketBuilder& icmp(std::uint8_t type, std::uint8_t code, std::uint32_t rest = 0);
    PacketBuilder& echo_request(std::uint16_t identifier, std::uint16_t sequence);
    PacketBuilder& echo_reply(std::uint16_t identifier, std::uint16_t sequence);

    // RFC 4861 sections 4.3 and 4.4, with the link-layer address option; the hop limit becomes 255.
    PacketBuilder& neighbor_solicitation(const IpAddress& target, const MacAddress& source_mac);
    PacketBuilder& neighbor_advertisement(const IpAddress& target, const MacAddress& target_mac,
                                          bool solicited = true);

    PacketBuilder& payload(std::span<const std::uint8_t> bytes);
    PacketBuilder& payload(std::size_t size);  // a pattern in which neighbors differ

    // Zeros up to `size` bytes behind everything, counted by no header: Ethernet's padding.
    PacketBuilder& pad_to(std::size_t size);

    [[nodiscard]] Bytes build() const;
    [[nodiscard]] Packet build(PacketPool& pool) const;

  private:
    enum class Kind : std::uint8_t { ethernet, vlan, arp, ipv4, ipv6, extension, udp, tcp, icmp, payload };

    struct Layer {
        Kind kind;
        Bytes header;
        std::uint8_t extension_type = 0;
        bool explicit_next = false;  // the test has chosen the ether type, protocol or next header itself
        bool has_checksum = true;
    };

    template <class Header>
    PacketBuilder& add(Kind kind, const Header& header);

    // The layer named last if it is of this kind; an exception if it is not.
    template <class Header>
    Header& last(Kind kind);

    Layer& last_ip();
    [[nodiscard]] bool in_ipv6() const;  // the innermost IP layer's version

    PacketBuilder& arp(std::uint16_t operation, const MacAddress& sender_mac, const IpAddress& sender,
                       const MacAddress& target_mac, const IpAddress& target);
    PacketBuilder& neighbor_message(std::uint8_t type, std::uint32_t flags, const IpAddress& target,
                                    std::uint8_t option, const MacAddress& link_address);

    void complete(std::size_t layer, std::size_t offset, std::span<std::uint8_t> packet) const;
    void complete_transport(std::size_t layer, std::size_t offset, std::span<std::uint8_t> packet) const;
    [[nodiscard]] ChecksumSum pseudo_sum(std::size_t layer, std::size_t offset,
                                         std::span<std::uint8_t> packet, std::uint8_t protocol) const;
    [[nodiscard]] std::uint16_t ether_type_after(std::size_t layer) const;
    [[nodiscard]] std::uint8_t protocol_after(std::size_t layer) const;

    std::vector<Layer> layers_;
    std::size_t padded_size_ = 0;
};

}  // namespace weft::test
