#include "overlay/tunnel.h"

#include <cstdlib>
#include <utility>

#include "crypto/esp.h"
#include "overlay/vxlan.h"
#include "vswitch/headers.h"

namespace weft {

namespace {

Drop to_drop(EspError error) noexcept {
    switch (error) {
        case EspError::truncated:
            return Drop::truncated;
        case EspError::exhausted:
            return Drop::sa_exhausted;
        case EspError::replayed:
            return Drop::replayed;
        case EspError::too_old:
            return Drop::too_old;
        case EspError::auth_failed:
            return Drop::auth_failed;
        case EspError::bad_padding:
            return Drop::bad_padding;
    }
    std::abort();
}

}  // namespace

PlainPayload encapsulate_frame(Packet frame, Vni vni, std::uint32_t flow_hash) noexcept {
    push_vxlan(frame, vni);
    push_vxlan_udp(frame, vxlan_source_port(flow_hash));
    return {std::move(frame), ip_protocol::udp};
}

PlainPayload encapsulate_datagram(Packet datagram) noexcept {
    const bool is_v6 = datagram.size() > 0 && (datagram.data()[0] >> 4U) == 6;
    return {std::move(datagram), is_v6 ? ip_protocol::ipv6 : ip_protocol::ipv4};
}

PlainPayload dummy_payload(Packet empty) noexcept {
    return {std::move(empty), ip_protocol::none};
}

std::expected<void, Drop> seal(OutboundSa& sa, PlainPayload& payload) noexcept {
    Packet& packet = payload.packet;
    const std::size_t payload_size = packet.size();
    packet.push(Esp::header_size);
    packet.resize(Esp::sealed_size(payload_size));
    const auto sealed = Esp::seal(sa, packet.bytes(), payload_size, payload.next_header);
    if (!sealed) return std::unexpected(to_drop(sealed.error()));
    return {};
}

std::expected<OpenedPayload, Drop> open(InboundSa& sa, Packet& packet) noexcept {
    const std::uint64_t highest = sa.window().highest();
    const auto opened = Esp::open_in_place(sa, packet.bytes());
    if (!opened) return std::unexpected(to_drop(opened.error()));
    packet.resize(Esp::header_size + opened->payload_size);
    packet.pull(Esp::header_size);
    return OpenedPayload{opened->next_header, opened->sequence > highest};
}

std::expected<Decapsulated, Drop> decapsulate(Packet& payload, std::uint8_t next_header) noexcept {
    switch (next_header) {
        case ip_protocol::ipv4:
        case ip_protocol::ipv6:
            return Decapsulated{};
        case ip_protocol::udp:
            break;
        default:
            return std::unexpected(Drop::unknown_next_header);
    }
    if (const auto udp = pull_vxlan_udp(payload); !udp) return std::unexpected(udp.error());
    const auto vni = pull_vxlan(payload);
    if (!vni) return std::unexpected(vni.error());
    return Decapsulated{*vni};
}

}  // namespace weft
