#include "vswitch/arp.h"

#include <algorithm>

#include "vswitch/headers.h"

namespace weft {

namespace {

constexpr std::uint16_t hardware_ethernet = 1;

std::array<std::uint8_t, 4> octets(const IpAddress& address) noexcept {
    std::array<std::uint8_t, 4> octets{};
    std::ranges::copy(address.bytes().first(4), octets.begin());
    return octets;
}

}  // namespace

std::expected<ArpMessage, Drop> parse_arp(std::span<const std::uint8_t> frame) noexcept {
    const auto* arp = view<ArpPacket>(frame, sizeof(EthernetHeader));
    if (arp == nullptr) return std::unexpected(Drop::truncated);
    if (arp->hardware_type.value() != hardware_ethernet || arp->protocol_type.value() != ether_type::ipv4 ||
        arp->hardware_size != sizeof(MacAddress) || arp->protocol_size != 4) {
        return std::unexpected(Drop::malformed);
    }
    if (arp->operation.value() != ArpPacket::request && arp->operation.value() != ArpPacket::reply) {
        return std::unexpected(Drop::malformed);
    }
    if (arp->sender_mac.is_group() || arp->sender_mac.is_zero()) return std::unexpected(Drop::malformed);
    return ArpMessage{.is_request = arp->operation.value() == ArpPacket::request,
                      .sender_mac = arp->sender_mac,
                      .sender = IpAddress::v4(arp->sender_ip),
                      .target_mac = arp->target_mac,
                      .target = IpAddress::v4(arp->target_ip)};
}

void write_arp(Packet& frame, const ArpMessage& message, const MacAddress& destination) noexcept {
    frame.resize(sizeof(EthernetHeader) + sizeof(ArpPacket));
    *writable_view<EthernetHeader>(frame.bytes()) = {
        .destination = destination, .source = message.sender_mac, .type = ether_type::arp};
    *writable_view<ArpPacket>(frame.bytes(), sizeof(EthernetHeader)) = {
        .hardware_type = hardware_ethernet,
        .protocol_type = ether_type::ipv4,
        .hardware_size = sizeof(MacAddress),
        .protocol_size = 4,
        .operation = message.is_request ? ArpPacket::request : ArpPacket::reply,
        .sender_mac = message.sender_mac,
        .sender_ip = octets(message.sender),
        .target_mac = message.target_mac,
        .target_ip = octets(message.target)};
    frame.offload() = Offload{};
}

}  // namespace weft
