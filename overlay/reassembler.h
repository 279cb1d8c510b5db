// Makes packets whole again that their peer sent in fragments (fragment.h). Everything is bounded, because a
// peer may be taken over: so many packets under way in all and of one peer, each for so long. When there are
// more, the oldest one of a peer that is at its share gives way, else the oldest of all.
//
//   SA, identification  ->  a slot: the packet's buffer, and a bit for each 8 bytes that have arrived
//
// A fragment that overlaps another, reaches beyond the packet's end, or is not of a multiple of 8 bytes
// though more follow, condemns the whole packet, as RFC 5722 has it for IPv6. Fragments may come in any
// order.
//
// Owner: one worker, which tells the time.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "overlay/fragment.h"
#include "vswitch/drop.h"
#include "vswitch/id.h"
#include "vswitch/packet.h"

namespace weft {

class Reassembler {
  public:
    static constexpr std::size_t slots = 64;
    static constexpr std::size_t slots_per_peer = 16;
    static constexpr Duration patience = std::chrono::seconds{1};

    struct Whole {
        Packet packet;
        std::uint8_t next_header = 0;
    };

    struct Added {
        std::optional<Whole> whole{};       // this was the last piece that was missing
        std::optional<Drop> drop{};         // the packet that the fragment belongs to is given up
        std::optional<PeerId> displaced{};  // another one of this peer's has had to make room
    };

    // `fragment` begins with its header.
    Added add(PeerId peer, Spi spi, Packet fragment, Instant now) noexcept;

    // Calls gave_up(PeerId) for each packet that has waited too long.
    template <class GaveUp>
    void expire(Instant now, GaveUp&& gave_up) noexcept {
        for (Slot& slot : slots_) {
            if (!slot.packet || now - slot.since < patience) continue;
            gave_up(slot.peer);
            slot.clear();
        }
    }

    [[nodiscard]] std::size_t under_way() const noexcept;

  private:
    struct Slot {
        Packet packet;  // empty: the slot is free
        PeerId peer;
        Spi spi;
        std::uint32_t identification = 0;
        std::uint8_t next_header = 0;
        Instant since;
        std::size_t received = 0;  // bytes
        std::size_t total = 0;     // 0: the last fragment has not come
        std::array<std::uint64_t, max_fragmented / 8 / 64 + 1> arrived{};  // a bit for 8 bytes

        void clear() noexcept;
        bool mark(std::size_t offset, std::size_t size) noexcept;
        bool put(const Ipv6FragmentHeader& header, std::span<const std::uint8_t> piece) noexcept;
    };

    Slot* find(Spi spi, std::uint32_t identification) noexcept;
    Slot& make_room(PeerId peer, std::optional<PeerId>& displaced) noexcept;

    std::array<Slot, slots> slots_;
};

}  // namespace weft
