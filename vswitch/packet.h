// A packet: one buffer with its bytes in the middle, and what the kernel's virtio_net_hdr says about them.
//
//   |<- headroom ->|<------ size() ------>|<- tailroom ->|
//   +--------------+----------------------+--------------+
//   |              | data()               |              |
//   +--------------+----------------------+--------------+
//
// Headers are pushed into the headroom and pulled off again; nothing is moved and nothing is allocated. A
// fresh packet has room for every header that weft may push (Packet::headroom_reserve) and for an ESP
// trailer, around a payload of up to 64 KiB. The bytes may be a super-frame: then offload().gso says how it
// is to be cut into segments, and its TCP/UDP checksum is the pseudo-header's only
// (offload().needs_checksum).
//
// Owner: Packet is a move-only handle; its destruction gives the buffer back to its pool. A pool belongs to
// one thread, and so do its packets. PacketPool::take() returns an empty handle when the pool has run dry,
// which is a Drop::no_buffer, never an allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "vswitch/id.h"

namespace weft {

// What virtio_net_hdr (linux/virtio_net.h) says, checked against the bytes when the packet was read.
struct Offload {
    enum class Gso : std::uint8_t { none, tcp4, tcp6, udp };

    Gso gso = Gso::none;
    bool ecn = false;             // the super-frame has CWR set: only its first segment keeps it (RFC 3168)
    bool needs_checksum = false;  // the checksum field holds the pseudo-header's sum
    bool checksum_valid = false;  // verified by whoever delivered it
    std::uint16_t gso_size = 0;   // payload bytes a segment
    std::uint16_t checksum_offset = 0;  // of the field, from the start of the transport header
    // From the start of the *buffer* to the transport header, so that pushing and pulling leave it alone.
    std::uint32_t checksum_start = 0;
};

class PacketPool;

class Packet {
  public:
    static constexpr std::size_t headroom_reserve = 192;
    static constexpr std::size_t tailroom_reserve = 64;
    static constexpr std::size_t max_size = 65536 + 18;  // a 64 KiB datagram in a tagged Ethernet frame

    Packet() noexcept = default;

    Packet(Packet&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}

    Packet& operator=(Packet&& other) noexcept {
        if (this != &other) {
            release();
            buffer_ = std::exchange(other.buffer_, nullptr);
        }
        return *this;
    }

    Packet(const Packet&) = delete;
    Packet& operator=(const Packet&) = delete;

    ~Packet() { release(); }

    explicit operator bool() const noexcept { return buffer_ != nullptr; }

    [[nodiscard]] std::uint8_t* data() noexcept { return base() + buffer_->offset; }

    [[nodiscard]] const std::uint8_t* data() const noexcept { return base() + buffer_->offset; }

    [[nodiscard]] std::size_t size() const noexcept { return buffer_->size; }

    [[nodiscard]] std::span<std::uint8_t> bytes() noexcept { return {data(), size()}; }

    [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return {data(), size()}; }

    [[nodiscard]] std::size_t headroom() const noexcept { return buffer_->offset; }

    [[nodiscard]] std::size_t tailroom() const noexcept { return capacity - buffer_->offset - buffer_->size; }

    // Prepends / removes `size` bytes at the front; abort when there is no room / there are too few bytes.
    std::uint8_t* push(std::size_t size) noexcept;
    void pull(std::size_t size) noexcept;

    // Sets the size, growing into or shrinking from the tail; aborts beyond the tailroom.
    void resize(std::size_t size) noexcept;

    // 802.1Q tag control information of the tag that was stripped on reading; VLAN 0 and PCP 0: it had none.
    [[nodiscard]] std::uint16_t& vlan_tci() noexcept { return buffer_->vlan_tci; }

    [[nodiscard]] VlanId vlan() const noexcept {
        return VlanId{static_cast<std::uint16_t>(buffer_->vlan_tci & 0xFFFU)};
    }

    [[nodiscard]] Offload& offload() noexcept { return buffer_->offload; }

    [[nodiscard]] const Offload& offload() const noexcept { return buffer_->offload; }

    // The transport header that the offload speaks of, counted from data().
    [[nodiscard]] std::size_t checksum_start() const noexcept {
        return buffer_->offload.checksum_start - buffer_->offset;
    }

    void set_checksum_start(std::size_t from_data) noexcept {
        buffer_->offload.checksum_start = static_cast<std::uint32_t>(buffer_->offset + from_data);
    }

    // A copy of bytes and metadata from the same pool; empty if the pool is.
    [[nodiscard]] Packet clone() const noexcept;

    // Half of the pool is out: not the time to keep packets waiting.
    [[nodiscard]] bool pool_is_low() const noexcept;

    // An empty packet of the same pool.
    [[nodiscard]] Packet sibling() const noexcept;

  private:
    friend class PacketPool;

    struct Buffer {
        PacketPool* pool = nullptr;
        Buffer* next_free = nullptr;
        std::uint32_t offset = 0;
        std::uint32_t size = 0;
        Offload offload;
        std::uint16_t vlan_tci = 0;
    };

    static constexpr std::size_t capacity = headroom_reserve + max_size + tailroom_reserve + 6;

    explicit Packet(Buffer* buffer) noexcept : buffer_(buffer) {}

    [[nodiscard]] std::uint8_t* base() const noexcept { return reinterpret_cast<std::uint8_t*>(buffer_ + 1); }

    void release() noexcept;

    Buffer* buffer_ = nullptr;
};

// A fixed number of buffers in one mapping whose pages are touched only when used: an idle pool costs address
// space, not memory. The free list is last in, first out, so that a lightly loaded switch keeps to a few warm
// buffers.
class PacketPool {
  public:
    explicit PacketPool(std::size_t packets);  // throws std::bad_alloc
    ~PacketPool();                             // aborts if packets are still out

    PacketPool(const PacketPool&) = delete;
    PacketPool& operator=(const PacketPool&) = delete;

    // Zero bytes long, with the whole headroom free; empty handle if none is left.
    [[nodiscard]] Packet take() noexcept;

    // A packet holding a copy of `bytes` (at most Packet::max_size).
    [[nodiscard]] Packet take(std::span<const std::uint8_t> bytes) noexcept;

    [[nodiscard]] std::size_t available() const noexcept { return available_; }

    [[nodiscard]] std::size_t size() const noexcept { return packets_; }

  private:
    friend class Packet;

    void give_back(Packet::Buffer* buffer) noexcept;

    std::size_t packets_;
    std::size_t available_ = 0;
    std::size_t untouched_ = 0;  // buffers from here on were never used
    Packet::Buffer* free_ = nullptr;
    std::byte* memory_ = nullptr;
};

}  // namespace weft
