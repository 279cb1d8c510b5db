// Where the IP header of a packet begins: behind its Ethernet header and at most one 802.1Q tag.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "vswitch/device/virtio_header.h"
#include "vswitch/headers.h"

namespace weft {

// The end of the packet if it is not IP.
[[nodiscard]] inline std::size_t network_offset(std::span<const std::uint8_t> bytes,
                                                LinkLayer link) noexcept {
    if (link == LinkLayer::none) return 0;
    const auto* ethernet = view<EthernetHeader>(bytes);
    if (ethernet == nullptr) return bytes.size();
    std::uint16_t type = ethernet->type;
    std::size_t offset = sizeof(EthernetHeader);
    if (type == ether_type::vlan) {
        // The tag's protocol is the type, and the type behind it stands where the tag ends.
        const auto* inner = view<be16>(bytes, offset + sizeof(be16));
        if (inner == nullptr) return bytes.size();
        type = *inner;
        offset += sizeof(VlanTagHeader);
    }
    return type == ether_type::ipv4 || type == ether_type::ipv6 ? offset : bytes.size();
}

}  // namespace weft
