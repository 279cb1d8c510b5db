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

void push_vxlan(Packet& frame, Vni vni) noexcept {
    frame.push(sizeof(VxlanHeader));
    auto* header = writable_view<VxlanHeader>(frame.bytes());
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

void push_vxlan_udp(Packet& packet, std::uint16_t source_port) noexcept {
    packet.push(sizeof(UdpHeader));
    auto* header = writable_view<UdpHeader>(packet.bytes());
    header->source_port = source_port;
    header->destination_port = vxlan_port;
    header->length = static_cast<std::uint16_t>(packet.size());
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
