// TCP super-frames as a guest's kernel hands them over: the pseudo-header's sum in place of the checksum.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tests/support/packet_builder.h"
#include "vswitch/checksum.h"
#include "vswitch/packet.h"

namespace weft::bench {

struct SuperFrame {
    IpAddress source;
    IpAddress destination;
    std::size_t payload = 65000;
    std::uint16_t gso_size = 1360;
    bool with_ethernet = true;

    [[nodiscard]] std::size_t segments() const noexcept { return (payload + gso_size - 1) / gso_size; }

    [[nodiscard]] Packet build(PacketPool& pool, const MacAddress& to, const MacAddress& from) const {
        test::PacketBuilder builder;
        if (with_ethernet) builder.ethernet(to, from);
        Packet packet = builder.ip(source, destination).tcp(1000, 2000).payload(payload).build(pool);
        return with_metadata(std::move(packet));
    }

    // Also for a copy of its bytes, which has lost what was known about them.
    [[nodiscard]] Packet with_metadata(Packet packet) const noexcept {
        constexpr std::uint16_t checksum_offset = 16;
        const bool is_v6 = source.is_v6();
        const std::size_t transport = (with_ethernet ? 14U : 0U) + (is_v6 ? 40U : 20U);
        packet.offload() = {.gso = is_v6 ? Offload::Gso::tcp6 : Offload::Gso::tcp4,
                            .needs_checksum = true,
                            .gso_size = gso_size,
                            .checksum_offset = checksum_offset};
        packet.set_checksum_start(transport);
        const std::uint16_t sum =
            pseudo_header_sum(source, destination, 6, static_cast<std::uint32_t>(packet.size() - transport))
                .partial();
        packet.data()[transport + checksum_offset] = static_cast<std::uint8_t>(sum >> 8U);
        packet.data()[transport + checksum_offset + 1] = static_cast<std::uint8_t>(sum);
        return packet;
    }
};

}  // namespace weft::bench
