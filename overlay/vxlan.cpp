#include "overlay/vxlan.h"

#include "vswitch/headers.h"

namespace weft {

namespace {

struct VxlanHeader {
    be32 flags;
    be32 vni_reserved;

    static constexpr std::uint32_t vni_present = 0x08000000;
};

static_assert(sizeof(VxlanHeader) == vxlan_header_size && sizeof(UdpHeader) == vxlan_udp_header_size);

}  // namespace

void write_vxlan(std::span<std::uint8_t, vxlan_header_size> out, Vni vni) noexcept {
    auto* header = writable_view<VxlanHeader>(out);
    header->flags = VxlanHeader::vni_present;
    header->vni_reserved = vni.value() << 8U;
}

std::expected<Vni, Drop> pull_vxlan(Packet& packet) noexcept {
    const auto* header = view<VxlanHeader>(packet.bytes());
    if (header == nullptr || packet.size() < sizeof(VxlanHeader) + sizeof(EthernetHeader)) {
        return std::unexpected(Drop::truncated);
    }
    if ((header->flags & VxlanHeader::vni_present) == 0) return std::unexpected(Drop::bad_vxlan);
    const Vni vni{header->vni_reserved >> 8U};
    packet.pull(sizeof(VxlanHeader));
    return vni;
}

void write_vxlan_udp(std::span<std::uint8_t, vxlan_udp_header_size> out, std::uint16_t source_port,
                     std::size_t payload) noexcept {
    auto* header = writable_view<UdpHeader>(out);
    header->source_port = source_port;
    header->destination_port = vxlan_port;
    header->length = static_cast<std::uint16_t>(sizeof(UdpHeader) + payload);
    header->checksum = 0;
}

std::expected<void, Drop> pull_vxlan_udp(Packet& packet) noexcept {
    const auto* header = view<UdpHeader>(packet.bytes());
    if (header == nullptr) return std::unexpected(Drop::truncated);
    if (header->destination_port != vxlan_port) return std::unexpected(Drop::bad_vxlan);
    const std::size_t length = header->length;
    if (length < sizeof(UdpHeader) || length > packet.size()) return std::unexpected(Drop::truncated);
    packet.resize(length);
    packet.pull(sizeof(UdpHeader));
    return {};
}

}  // namespace weft
