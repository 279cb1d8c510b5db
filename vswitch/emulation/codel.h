// CoDel (RFC 8289): a queue whose packets have all waited longer than `target` for `interval` is a standing
// one. Then its first packet is dropped, or marked if its sender understands that (RFC 3168), and others
// after it, at a rate that grows until the queue is as short as it should be.
//
// It is told the time at which the link takes a packet, which may be in the past of whoever calls.
#pragma once

#include <cstdint>
#include <optional>

#include "vswitch/device/virtio_header.h"
#include "vswitch/emulation/packet_list.h"
#include "vswitch/id.h"

namespace weft {

struct AqmCounters {
    std::uint64_t dropped = 0;
    std::uint64_t marked = 0;
};

// Of an IPv4 or IPv6 packet whose sender understands it: "congestion experienced". False: it does not.
bool mark_congestion(Packet& packet, LinkLayer link) noexcept;

class Codel {
  public:
    struct Parameters {
        Duration target{0};
        Duration interval{0};
        LinkLayer link = LinkLayer::ethernet;
        std::uint32_t largest = 0;  // bytes; a queue of one such packet is no queue
    };

    // The next packet to be sent, if there is any.
    std::optional<QueuedPacket> pop(PacketStore& store, PacketList& list, const Parameters& parameters,
                                    Instant now, AqmCounters& counters) noexcept;

  private:
    struct Head {
        std::optional<QueuedPacket> packet;
        bool may_drop = false;
    };

    Head take(PacketStore& store, PacketList& list, const Parameters& parameters, Instant now) noexcept;
    [[nodiscard]] Instant next_after(Instant at, Duration interval) const noexcept;

    Instant first_above_{};  // when the queue will have stood too long; Instant{}: it does not stand
    Instant drop_next_{};
    std::uint32_t count_ = 0;  // drops in this state of dropping
    std::uint32_t last_count_ = 0;
    bool dropping_ = false;
};

}  // namespace weft
