#include "vswitch/device/virtio_header.h"

#include <optional>

#include "vswitch/headers.h"
#include "vswitch/network_offset.h"
#include "vswitch/segmenter.h"

namespace weft {

namespace {

constexpr std::uint16_t tcp_checksum_offset = 16;
constexpr std::uint16_t udp_checksum_offset = 6;
constexpr std::size_t max_segments = 512;  // of a super-frame: one packet must not become a pool of them

std::optional<Offload::Gso> gso_kind(std::uint8_t gso_type) noexcept {
    switch (gso_type & ~VirtioHeader::gso_ecn) {
        case VirtioHeader::gso_none:
            return Offload::Gso::none;
        case VirtioHeader::gso_tcp4:
            return Offload::Gso::tcp4;
        case VirtioHeader::gso_tcp6:
            return Offload::Gso::tcp6;
        case VirtioHeader::gso_udp:
            return Offload::Gso::udp;
        default:
            return std::nullopt;
    }
}

std::uint8_t gso_type(Offload::Gso gso) noexcept {
    switch (gso) {
        case Offload::Gso::none:
            break;
        case Offload::Gso::tcp4:
            return VirtioHeader::gso_tcp4;
        case Offload::Gso::tcp6:
            return VirtioHeader::gso_tcp6;
        case Offload::Gso::udp:
            return VirtioHeader::gso_udp;
    }
    return VirtioHeader::gso_none;
}

// Whatever is there, if there is no IP header.
std::size_t content_offset(std::span<const std::uint8_t> bytes, LinkLayer link) noexcept {
    return link == LinkLayer::none ? 0 : content_of(bytes).offset;
}

// True if the transport header at `transport` is that of an unfragmented IP packet whose header is at
// `network`.
bool ip_leads_to(std::span<const std::uint8_t> bytes, std::size_t network, std::size_t transport,
                 Offload::Gso gso) noexcept {
    const std::uint8_t protocol = gso == Offload::Gso::udp ? ip_protocol::udp : ip_protocol::tcp;
    const auto* ipv4 = view<Ipv4Header>(bytes, network);
    if (ipv4 != nullptr && ipv4->version_ihl >> 4U == 4) {
        return gso != Offload::Gso::tcp6 && ipv4->protocol == protocol && !ipv4->is_fragment() &&
               ipv4->header_size() >= sizeof(Ipv4Header) && network + ipv4->header_size() == transport;
    }
    const auto* ipv6 = view<Ipv6Header>(bytes, network);
    if (ipv6 == nullptr || ipv6->version_class_flow >> 28U != 6 || gso == Offload::Gso::tcp4) return false;
    const std::size_t first = network + sizeof(Ipv6Header);
    return ipv6->next_header == protocol ? first == transport
                                         : first < transport;  // else extension headers between
}

// The sum begins behind an IP header at the earliest, so that it stays within the packet when the Ethernet
// header is pulled.
bool is_sound_checksum(const VirtioHeader& header, LinkLayer link,
                       std::span<const std::uint8_t> bytes) noexcept {
    return header.csum_start >= content_offset(bytes, link) + sizeof(Ipv4Header) &&
           std::size_t{header.csum_start} + header.csum_offset + sizeof(be16) <= bytes.size();
}

bool is_sound_super_frame(const VirtioHeader& header, LinkLayer link, std::span<const std::uint8_t> bytes,
                          Offload::Gso gso) noexcept {
    const std::uint16_t field = gso == Offload::Gso::udp ? udp_checksum_offset : tcp_checksum_offset;
    return header.gso_size != 0 && bytes.size() / header.gso_size <= max_segments &&
           (header.flags & VirtioHeader::needs_checksum) != 0 && header.csum_offset == field &&
           transport_header_size(bytes, header.csum_start, gso) != 0 &&
           ip_leads_to(bytes, content_offset(bytes, link), header.csum_start, gso);
}

}  // namespace

bool apply_virtio_header(const VirtioHeader& header, LinkLayer link, Packet& packet) noexcept {
    const auto gso = gso_kind(header.gso_type);
    if (!gso) return false;
    const bool needs_checksum = (header.flags & VirtioHeader::needs_checksum) != 0;
    if (needs_checksum && !is_sound_checksum(header, link, packet.bytes())) return false;
    if (*gso != Offload::Gso::none && !is_sound_super_frame(header, link, packet.bytes(), *gso)) return false;

    Offload offload;
    offload.gso = *gso;
    offload.ecn = *gso != Offload::Gso::none && (header.gso_type & VirtioHeader::gso_ecn) != 0;
    offload.needs_checksum = needs_checksum;
    offload.checksum_valid = (header.flags & VirtioHeader::data_valid) != 0;
    offload.gso_size = *gso == Offload::Gso::none ? std::uint16_t{0} : header.gso_size;
    offload.checksum_offset = needs_checksum ? header.csum_offset : std::uint16_t{0};
    packet.offload() = offload;
    if (needs_checksum) packet.set_checksum_start(header.csum_start);
    return true;
}

VirtioHeader make_virtio_header(const Packet& packet) noexcept {
    VirtioHeader header;
    const Offload& offload = packet.offload();
    if (offload.needs_checksum) {
        header.flags = VirtioHeader::needs_checksum;
        header.csum_start = static_cast<std::uint16_t>(packet.checksum_start());
        header.csum_offset = offload.checksum_offset;
    } else if (offload.checksum_valid) {
        header.flags = VirtioHeader::data_valid;
    }
    if (offload.gso != Offload::Gso::none) {
        const std::size_t transport = packet.checksum_start();
        const std::size_t size = transport_header_size(packet.bytes(), transport, offload.gso);
        header.gso_type = gso_type(offload.gso);
        if (offload.ecn) header.gso_type |= VirtioHeader::gso_ecn;
        header.gso_size = offload.gso_size;
        header.hdr_len = static_cast<std::uint16_t>(transport + size);
    }
    return header;
}

}  // namespace weft
