#include "overlay/reassembler.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace weft {

Reassembler::Added Reassembler::add(PeerId peer, Spi spi, Packet fragment, Instant now) noexcept {
    const auto* header = view<Ipv6FragmentHeader>(fragment.bytes());
    if (header == nullptr) return {.drop = Drop::bad_fragment};
    Added added;
    Slot* slot = find(spi, header->identification);
    if (slot == nullptr) {
        Packet whole = fragment.sibling();
        if (!whole) return {.drop = Drop::no_buffer};
        slot = &make_room(peer, added.displaced);
        slot->packet = std::move(whole);
        slot->peer = peer;
        slot->spi = spi;
        slot->identification = header->identification;
        slot->next_header = header->next_header;
        slot->since = now;
    }
    if (!slot->put(*header, fragment.bytes().subspan(fragment_header_size))) {
        slot->clear();
        added.drop = Drop::bad_fragment;
        return added;
    }
    if (slot->received != slot->total) return added;
    added.whole.emplace(Whole{std::move(slot->packet), slot->next_header});
    slot->clear();
    return added;
}

std::size_t Reassembler::under_way() const noexcept {
    return static_cast<std::size_t>(
        std::ranges::count_if(slots_, [](const Slot& slot) { return static_cast<bool>(slot.packet); }));
}

Reassembler::Slot* Reassembler::find(Spi spi, std::uint32_t identification) noexcept {
    const auto found = std::ranges::find_if(slots_, [&](const Slot& slot) {
        return slot.packet && slot.spi == spi && slot.identification == identification;
    });
    return found == slots_.end() ? nullptr : &*found;
}

Reassembler::Slot& Reassembler::make_room(PeerId peer, std::optional<PeerId>& displaced) noexcept {
    Slot* free = nullptr;
    Slot* oldest = nullptr;
    Slot* oldest_of_peer = nullptr;
    std::size_t of_peer = 0;
    const auto older = [](const Slot& slot, const Slot* than) {
        return than == nullptr || slot.since < than->since;
    };
    for (Slot& slot : slots_) {
        if (!slot.packet) {
            free = &slot;
            continue;
        }
        if (older(slot, oldest)) oldest = &slot;
        if (slot.peer != peer) continue;
        ++of_peer;
        if (older(slot, oldest_of_peer)) oldest_of_peer = &slot;
    }
    if (of_peer < slots_per_peer && free != nullptr) return *free;
    Slot& gone = of_peer < slots_per_peer ? *oldest : *oldest_of_peer;
    displaced = gone.peer;
    gone.clear();
    return gone;
}

void Reassembler::Slot::clear() noexcept {
    *this = Slot{};
}

// False if any of these bytes is there already.
bool Reassembler::Slot::mark(std::size_t offset, std::size_t size) noexcept {
    for (std::size_t unit = offset / 8; unit < (offset + size + 7) / 8; ++unit) {
        const std::uint64_t bit = std::uint64_t{1} << (unit % 64);
        if ((arrived[unit / 64] & bit) != 0) return false;
        arrived[unit / 64] |= bit;
    }
    return true;
}

// What has arrived lies within packet.size(), so a last fragment that ends before that contradicts it.
bool Reassembler::Slot::put(const Ipv6FragmentHeader& header, std::span<const std::uint8_t> piece) noexcept {
    const std::size_t offset = header.offset();
    const std::size_t end = offset + piece.size();
    const bool last = (header.offset_flags & Ipv6FragmentHeader::more_fragments) == 0;
    if (piece.empty() || end > max_fragmented || header.next_header != next_header) return false;
    if (last ? total != 0 || end < packet.size() : piece.size() % 8 != 0) return false;
    if (total != 0 && end > total) return false;
    if (!mark(offset, piece.size())) return false;
    if (last) total = end;
    packet.resize(std::max(packet.size(), end));
    std::memcpy(packet.data() + offset, piece.data(), piece.size());
    received += piece.size();
    return true;
}

}  // namespace weft
