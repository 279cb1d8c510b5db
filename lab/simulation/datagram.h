// The IP datagrams of simulated stations: written with complete checksums, and checked as a real receiver
// does, so that what a link has corrupted is lost.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "vswitch/address.h"
#include "vswitch/flow.h"
#include "vswitch/headers.h"
#include "vswitch/packet.h"

namespace weft::lab {

struct Endpoints {
    IpAddress source;
    IpAddress destination;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
};

// Bytes of the IP header of that family.
std::size_t ip_header_size(const IpAddress& address) noexcept;

// Makes `packet` a datagram with DF and `size` bytes behind the IP header, which are returned, uninitialized.
std::span<std::uint8_t> begin_datagram(Packet& packet, const Endpoints& between, std::uint8_t protocol,
                                       std::size_t size) noexcept;

// Each writes its header into `transport`, whose payload is there, and its checksum.
void finish_udp(std::span<std::uint8_t> transport, const Endpoints& between) noexcept;
void finish_echo_request(std::span<std::uint8_t> transport, const Endpoints& between,
                         std::uint16_t sequence) noexcept;
void finish_tcp(std::span<std::uint8_t> transport, const Endpoints& between) noexcept;  // the checksum only

// A whole datagram that has arrived.
struct Received {
    Classified what;
    std::span<const std::uint8_t> transport;  // header and payload
};

// Nothing if it is malformed, a fragment, or a checksum is wrong.
std::optional<Received> check_datagram(std::span<const std::uint8_t> datagram) noexcept;

}  // namespace weft::lab
