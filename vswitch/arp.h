// ARP for IPv4 over Ethernet (RFC 826), on frames: parsing, which checks everything that is fixed, and
// writing.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <span>

#include "vswitch/address.h"
#include "vswitch/drop.h"
#include "vswitch/packet.h"

namespace weft {

struct ArpMessage {
    bool is_request = false;
    MacAddress sender_mac;
    IpAddress sender;
    MacAddress target_mac;
    IpAddress target;
};

std::expected<ArpMessage, Drop> parse_arp(std::span<const std::uint8_t> frame) noexcept;

// Makes `frame` the whole frame of `message`, from its sender to `destination`.
void write_arp(Packet& frame, const ArpMessage& message, const MacAddress& destination) noexcept;

}  // namespace weft
