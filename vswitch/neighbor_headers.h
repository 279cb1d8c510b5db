// The wire format of neighbor solicitations and advertisements, which neighbor_discovery.h draws.
#pragma once

#include <array>
#include <cstdint>

#include "vswitch/address.h"
#include "vswitch/headers.h"

namespace weft {

// The fixed part of both messages.
struct NeighborHeader {
    IcmpHeader icmp;
    std::array<std::uint8_t, 16> target{};
};

struct LinkAddressOption {
    std::uint8_t type = 0;
    std::uint8_t length = 0;  // in units of 8 bytes
    MacAddress mac;
};

static_assert(sizeof(NeighborHeader) == 24 && sizeof(LinkAddressOption) == 8);

}  // namespace weft
