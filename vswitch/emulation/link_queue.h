// What waits for a link of a limited rate, by the QueueModel: drop-tail and CoDel have one queue, FQ-CoDel
// (RFC 8290) has 1024, over which flows are spread by a hash of addresses, protocol and ports. Those of
// FQ-CoDel are served in turn, each by `quantum` bytes; a flow that had nothing waiting comes first.
//
// A full drop-tail or CoDel queue refuses what comes; FQ-CoDel drops from the head of the longest queue
// instead (RFC 8290 section 4.1).
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "vswitch/emulation/codel.h"
#include "vswitch/emulation/impairment.h"
#include "vswitch/emulation/packet_list.h"

namespace weft {

class LinkQueue {
  public:
    explicit LinkQueue(LinkLayer link) noexcept : link_(link) {}

    // Not for the packet path. What waits goes on waiting, in the order of its arrival.
    void set(const QueueModel& model);

    // If it is full, this packet or others are gone: take_overflow().
    void push(QueuedPacket queued);

    // Nothing: nothing waits any more (CoDel may have dropped what did).
    [[nodiscard]] std::optional<QueuedPacket> pop(Instant now, AqmCounters& counters) noexcept;

    // Everything that waits is gone. Returns how many.
    std::size_t clear() noexcept;

    [[nodiscard]] bool empty() const noexcept { return packets_ == 0; }

    [[nodiscard]] std::size_t packets() const noexcept { return packets_; }

    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

    // Packets that are gone, since the last call, because it was full.
    [[nodiscard]] std::uint64_t take_overflow() noexcept { return std::exchange(overflowed_, 0); }

    // Bytes of the packet that is next; nothing if it is not sure which that is.
    [[nodiscard]] std::optional<std::uint32_t> next_size() const noexcept;

  private:
    static constexpr std::size_t flow_count = 1024;
    static constexpr std::uint16_t none = 0xFFFF;

    struct Flow {
        PacketList list;
        Codel codel;
        std::int32_t credit = 0;    // bytes
        std::uint16_t next = none;  // in the list of flows that it is in
        bool is_listed = false;
    };

    // Flows that have, or had a moment ago, something to send.
    struct FlowList {
        std::uint16_t first = none;
        std::uint16_t last = none;
    };

    [[nodiscard]] bool is_full(std::uint32_t size) const noexcept;
    [[nodiscard]] std::size_t flow_of(const Packet& packet) const noexcept;
    std::optional<QueuedPacket> pop_by_codel(PacketList& list, Codel& codel, Instant now,
                                             AqmCounters& counters) noexcept;
    std::optional<QueuedPacket> pop_in_turn(Instant now, AqmCounters& counters) noexcept;
    void drop_from_longest() noexcept;
    void append(FlowList& list, std::uint16_t flow) noexcept;
    void remove_first(FlowList& list) noexcept;

    LinkLayer link_;
    QueueModel model_;
    PacketStore store_;
    PacketList list_;  // unless it is FQ-CoDel
    Codel codel_;
    std::vector<Flow> flows_;  // empty unless it is FQ-CoDel
    FlowList new_flows_;
    FlowList old_flows_;
    std::size_t packets_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint32_t largest_ = 1514;
    std::uint64_t overflowed_ = 0;
};

}  // namespace weft
