#include "vswitch/packet.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include <sys/mman.h>

namespace weft {

namespace {

// An odd number of cache lines, so that the first bytes of successive packets fall into different cache sets.
constexpr std::size_t round_to_odd_lines(std::size_t size) noexcept {
    constexpr std::size_t line = 64;
    const std::size_t lines = (size + line - 1) / line;
    return (lines | 1U) * line;
}

}  // namespace

std::uint8_t* Packet::push(std::size_t size) noexcept {
    if (size > buffer_->offset) std::abort();
    buffer_->offset -= static_cast<std::uint32_t>(size);
    buffer_->size += static_cast<std::uint32_t>(size);
    return data();
}

void Packet::pull(std::size_t size) noexcept {
    if (size > buffer_->size) std::abort();
    buffer_->offset += static_cast<std::uint32_t>(size);
    buffer_->size -= static_cast<std::uint32_t>(size);
}

void Packet::resize(std::size_t size) noexcept {
    if (size > buffer_->size + tailroom()) std::abort();
    buffer_->size = static_cast<std::uint32_t>(size);
}

bool Packet::pool_is_low() const noexcept {
    return buffer_->pool->available() < buffer_->pool->size() / 2;
}

Packet Packet::sibling() const noexcept {
    return buffer_->pool->take();
}

Packet Packet::clone() const noexcept {
    Packet copy = sibling();
    if (!copy) return copy;
    copy.buffer_->offset = buffer_->offset;
    copy.buffer_->size = buffer_->size;
    copy.buffer_->offload = buffer_->offload;
    copy.buffer_->vlan_tci = buffer_->vlan_tci;
    std::memcpy(copy.data(), data(), size());
    return copy;
}

void Packet::release() noexcept {
    if (buffer_ != nullptr) buffer_->pool->give_back(std::exchange(buffer_, nullptr));
}

namespace {

constexpr std::size_t stride(std::size_t buffer_header, std::size_t capacity) noexcept {
    return round_to_odd_lines(buffer_header + capacity);
}

}  // namespace

PacketPool::PacketPool(std::size_t packets) : packets_(packets), available_(packets) {
    void* mapping = ::mmap(nullptr, packets * stride(sizeof(Packet::Buffer), Packet::capacity),
                           PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<std::byte*>(mapping);
}

PacketPool::~PacketPool() {
    if (available_ != packets_) std::abort();
    ::munmap(memory_, packets_ * stride(sizeof(Packet::Buffer), Packet::capacity));
}

Packet PacketPool::take() noexcept {
    Packet::Buffer* buffer = free_;
    if (buffer != nullptr) {
        free_ = buffer->next_free;
    } else if (untouched_ < packets_) {
        buffer = reinterpret_cast<Packet::Buffer*>(
            memory_ + untouched_++ * stride(sizeof(Packet::Buffer), Packet::capacity));
    } else {
        return Packet{};
    }
    --available_;
    new (buffer) Packet::Buffer{.pool = this,
                                .next_free = nullptr,
                                .offset = Packet::headroom_reserve,
                                .size = 0,
                                .offload = {},
                                .vlan_tci = 0};
    return Packet{buffer};
}

Packet PacketPool::take(std::span<const std::uint8_t> bytes) noexcept {
    Packet packet = take();
    if (packet) {
        packet.resize(bytes.size());
        std::copy(bytes.begin(), bytes.end(), packet.data());
    }
    return packet;
}

void PacketPool::give_back(Packet::Buffer* buffer) noexcept {
    buffer->next_free = free_;
    free_ = buffer;
    ++available_;
}

}  // namespace weft
