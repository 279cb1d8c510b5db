// What a frame carries behind its Ethernet header and at most two VLAN tags, of 802.1Q or, as a provider's
// are, of 802.1ad; and so where the IP header of a packet begins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "vswitch/device/virtio_header.h"
#include "vswitch/headers.h"

namespace weft {

struct FrameContent {
    std::uint16_t type;  // 0: the frame ends before it
    std::size_t offset;  // behind the type; perhaps behind the frame's end
};

[[nodiscard]] inline FrameContent content_of(std::span<const std::uint8_t> frame) noexcept {
    constexpr int most_tags = 2;
    constexpr std::uint16_t service_tag = 0x88A8;
    std::size_t at = offsetof(EthernetHeader, type);
    const auto* type = view<be16>(frame, at);
    for (int tags = 0; tags < most_tags && type != nullptr; ++tags) {
        if (*type != ether_type::vlan && *type != service_tag) break;
        at += sizeof(VlanTagHeader);
        type = view<be16>(frame, at);
    }
    return {.type = type == nullptr ? std::uint16_t{0} : type->value(), .offset = at + sizeof(be16)};
}

// The end of the packet if it is not IP.
[[nodiscard]] inline std::size_t network_offset(std::span<const std::uint8_t> bytes,
                                                LinkLayer link) noexcept {
    if (link == LinkLayer::none) return 0;
    const FrameContent content = content_of(bytes);
    const bool is_ip = content.type == ether_type::ipv4 || content.type == ether_type::ipv6;
    return is_ip ? content.offset : bytes.size();
}

}  // namespace weft
