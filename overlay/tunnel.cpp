#include "overlay/tunnel.h"

#include <cstdlib>
#include <cstring>
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

// Bytes between ESP's header and the packet.
std::size_t frame_headers(const TunnelPayload& payload) noexcept {
    return payload.next_header == ip_protocol::udp ? vxlan_udp_header_size + vxlan_header_size : 0;
}

}  // namespace

TunnelPayload frame_payload(Packet frame, Vni vni, std::uint32_t flow_hash) noexcept {
    const auto* ethernet = view<EthernetHeader>(frame.bytes());
    const bool is_tagged = ethernet != nullptr && ethernet->type == ether_type::vlan;
    const std::size_t network = sizeof(EthernetHeader) + (is_tagged ? sizeof(VlanTagHeader) : 0);
    return {.packet = std::move(frame),
            .next_header = ip_protocol::udp,
            .network = static_cast<std::uint16_t>(network),
            .vni = vni,
            .flow_hash = flow_hash};
}

TunnelPayload datagram_payload(Packet datagram) noexcept {
    const bool is_v6 = datagram.size() > 0 && (datagram.data()[0] >> 4U) == 6;
    return {.packet = std::move(datagram), .next_header = is_v6 ? ip_protocol::ipv6 : ip_protocol::ipv4};
}

TunnelPayload dummy_payload(Packet message) noexcept {
    return {.packet = std::move(message), .next_header = ip_protocol::none};
}

std::size_t inner_size(const TunnelPayload& payload, std::size_t size) noexcept {
    return frame_headers(payload) + size;
}

std::size_t sealed_size(const TunnelPayload& payload, std::size_t size) noexcept {
    return Esp::sealed_size(inner_size(payload, size));
}

std::size_t plain_size(std::size_t size) noexcept {
    return vxlan_header_size + size;
}

// UDP and VXLAN, if it is a frame; the segment.
void write_inner(const TunnelPayload& payload, const Segmenter& segments, std::size_t index,
                 std::span<std::uint8_t> out) noexcept {
    if (frame_headers(payload) != 0) {
        write_vxlan_udp(out.first<vxlan_udp_header_size>(), vxlan_source_port(payload.flow_hash),
                        vxlan_header_size + segments.size(index));
        write_vxlan(out.subspan<vxlan_udp_header_size, vxlan_header_size>(), payload.vni);
    }
    segments.write(index, out.data() + frame_headers(payload));
}

// 1. leave room for ESP's header   2. what goes inside   3. seal in place
std::expected<void, Drop> seal(OutboundSa& sa, const TunnelPayload& payload, const Segmenter& segments,
                               std::size_t index, std::span<std::uint8_t> out) noexcept {
    write_inner(payload, segments, index, out.subspan(Esp::header_size));
    const auto sealed = Esp::seal(sa, out, inner_size(payload, segments.size(index)), payload.next_header);
    if (!sealed) return std::unexpected(to_drop(sealed.error()));
    return {};
}

std::expected<void, Drop> seal_piece(OutboundSa& sa, const Ipv6FragmentHeader& header,
                                     std::span<const std::uint8_t> piece,
                                     std::span<std::uint8_t> out) noexcept {
    const auto inside = out.subspan(Esp::header_size);
    std::memcpy(inside.data(), &header, sizeof(header));
    std::memcpy(inside.data() + sizeof(header), piece.data(), piece.size());
    const auto sealed = Esp::seal(sa, out, sizeof(header) + piece.size(), ip_protocol::fragment);
    if (!sealed) return std::unexpected(to_drop(sealed.error()));
    return {};
}

void encapsulate(const TunnelPayload& payload, const Segmenter& segments, std::size_t index,
                 std::span<std::uint8_t> out) noexcept {
    write_vxlan(out.first<vxlan_header_size>(), payload.vni);
    segments.write(index, out.data() + vxlan_header_size);
}

std::expected<OpenedPayload, Drop> open(InboundSa& sa, std::span<const std::uint8_t> sealed,
                                        Packet& payload) noexcept {
    if (sealed.size() < Esp::min_size) return std::unexpected(Drop::truncated);
    const std::uint64_t highest = sa.window().highest();
    payload.resize(Esp::opened_room(sealed.size()));
    const auto opened = Esp::open(sa, sealed, payload.bytes());
    if (!opened) return std::unexpected(to_drop(opened.error()));
    payload.resize(opened->payload_size);
    return OpenedPayload{opened->sequence, opened->next_header, opened->sequence > highest};
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
