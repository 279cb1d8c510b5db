// Queues of packets that share one store of slots, so that a thousand empty ones take no memory of their own.
// A slot is reused when its packet has left; the store grows when more waits than ever before.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "vswitch/id.h"
#include "vswitch/packet.h"

namespace weft {

struct QueuedPacket {
    Packet packet;
    std::uint32_t size = 0;  // as the link counts it
    Instant since;           // when it came
};

class PacketStore {
  public:
    static constexpr std::uint32_t none = ~std::uint32_t{0};

    struct Slot {
        QueuedPacket queued;
        std::uint32_t next = none;
    };

    std::uint32_t put(QueuedPacket queued) {
        if (free_ == none) {
            slots_.push_back({std::move(queued), none});
            return static_cast<std::uint32_t>(slots_.size() - 1);
        }
        const std::uint32_t index = free_;
        free_ = slots_[index].next;
        slots_[index].queued = std::move(queued);
        slots_[index].next = none;
        return index;
    }

    QueuedPacket take(std::uint32_t index) noexcept {
        slots_[index].next = std::exchange(free_, index);
        return std::move(slots_[index].queued);
    }

    [[nodiscard]] Slot& operator[](std::uint32_t index) noexcept { return slots_[index]; }

    [[nodiscard]] const Slot& operator[](std::uint32_t index) const noexcept { return slots_[index]; }

  private:
    std::vector<Slot> slots_;
    std::uint32_t free_ = none;
};

// First in, first out.
class PacketList {
  public:
    [[nodiscard]] bool empty() const noexcept { return packets_ == 0; }

    [[nodiscard]] std::uint32_t packets() const noexcept { return packets_; }

    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

    void push(PacketStore& store, QueuedPacket queued) {
        bytes_ += queued.size;
        const std::uint32_t index = store.put(std::move(queued));
        (packets_++ == 0 ? first_ : store[last_].next) = index;
        last_ = index;
    }

    [[nodiscard]] QueuedPacket pop(PacketStore& store) noexcept {
        const std::uint32_t index = first_;
        first_ = store[index].next;
        --packets_;
        QueuedPacket queued = store.take(index);
        bytes_ -= queued.size;
        return queued;
    }

    [[nodiscard]] const QueuedPacket& front(const PacketStore& store) const noexcept {
        return store[first_].queued;
    }

  private:
    std::uint32_t first_ = PacketStore::none;
    std::uint32_t last_ = PacketStore::none;
    std::uint32_t packets_ = 0;
    std::uint64_t bytes_ = 0;
};

}  // namespace weft
