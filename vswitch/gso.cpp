#include "vswitch/gso.h"

#include <algorithm>

#include "vswitch/segmenter.h"

namespace weft {

void complete_checksum(Packet& packet) noexcept {
    Offload& offload = packet.offload();
    if (!offload.needs_checksum || offload.gso != Offload::Gso::none) return;
    const auto segmenter = Segmenter::of(packet, 0);
    segmenter->write(0, packet.data());
    offload.needs_checksum = false;
    offload.checksum_valid = true;
}

// The packet itself becomes the first segment, last of all, when the others have been written out of it.
std::expected<void, Drop> segment(Packet packet, std::uint16_t network, std::vector<Packet>& out) noexcept {
    const auto segmenter = Segmenter::of(packet, network);
    if (!segmenter) return std::unexpected(segmenter.error());

    const std::size_t base = out.size();
    out.resize(base + 1);
    for (std::size_t i = 1; i < segmenter->count(); ++i) {
        Packet part = packet.sibling();
        if (!part) {
            out.resize(base);
            return std::unexpected(Drop::no_buffer);
        }
        part.resize(segmenter->size(i));
        segmenter->write(i, part.data());
        part.vlan_tci() = packet.vlan_tci();
        part.offload() = Offload{.checksum_valid = true};
        out.push_back(std::move(part));
    }
    const bool is_checked = packet.offload().gso != Offload::Gso::none || packet.offload().needs_checksum ||
                            packet.offload().checksum_valid;
    segmenter->write(0, packet.data());
    packet.resize(segmenter->size(0));
    packet.offload() = Offload{.checksum_valid = is_checked};
    out[base] = std::move(packet);
    return {};
}

std::size_t wire_size(const Packet& packet) noexcept {
    const Offload& offload = packet.offload();
    if (offload.gso == Offload::Gso::none) return packet.size();
    const std::size_t transport = packet.checksum_start();
    const std::size_t header = transport_header_size(packet.bytes(), transport, offload.gso);
    return header == 0 ? packet.size() : std::min(packet.size(), transport + header + offload.gso_size);
}

}  // namespace weft
