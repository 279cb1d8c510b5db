// What a device has handed over faster than it can be sent on. The kernel's ring towards us is a queue
// without any regard for flows: behind a bulk transfer's super-frames a ping waits for milliseconds. So under
// load the ring is emptied into a Backlog, at most one batch deep, which lets sparse flows pass:
//
//   ring  ->  push()  ->  urgent(): flows of which nothing waits, in small packets
//                     ->  take_bulk(): the rest, in order, a bounded number of bytes at a time
//
// A flow's packets stay in order: while one of them waits, all that follow wait behind it. Flows are told
// apart by a hash into `buckets`; two that share one are treated as one. This is the 'new flows first' of
// FQ-CoDel (RFC 8290 section 3) in its simplest form. Nothing is dropped here: what does not fit stays in the
// ring, whose length is the bound.
//
// Owner: one device's reader; one thread. Nothing is allocated after construction.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vswitch/device/virtio_header.h"
#include "vswitch/packet.h"

namespace weft {

class Backlog {
  public:
    static constexpr std::size_t capacity = 64;       // packets
    static constexpr std::size_t sparse_size = 2048;  // bytes of a packet that may pass

    explicit Backlog(LinkLayer link);

    [[nodiscard]] bool empty() const noexcept { return waiting_ == 0; }

    [[nodiscard]] std::size_t room() const noexcept { return capacity - waiting_; }

    // At most room() packets, which are moved from; the vector is cleared.
    void push(std::vector<Packet>& packets) noexcept;

    // The packets of the last push() that pass. To be emptied by the caller.
    [[nodiscard]] std::vector<Packet>& urgent() noexcept { return urgent_; }

    // Appends the next packets, in order, until they are `bytes` or more, or there are no more.
    void take_bulk(std::size_t bytes, std::vector<Packet>& out) noexcept;

  private:
    static constexpr std::size_t buckets = 256;

    struct Waiting {
        Packet packet;
        std::uint8_t bucket = 0;
    };

    [[nodiscard]] std::uint8_t bucket_of(const Packet& packet) const noexcept;

    LinkLayer link_;
    std::vector<Packet> urgent_;
    std::array<Waiting, capacity> ring_;
    std::size_t first_ = 0;
    std::size_t waiting_ = 0;
    std::array<std::uint8_t, buckets> queued_{};  // packets that wait, by bucket
};

}  // namespace weft
