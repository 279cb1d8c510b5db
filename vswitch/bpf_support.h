// What the owners of BPF programs (fast_path.cpp, early_drop.cpp) share: what libbpf says, words for
// failures, and maps that lie in this process's memory, too. For them alone: it includes libbpf.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>

#include <sys/mman.h>

#include <bpf/libbpf.h>

#include "vswitch/device/virtio_header.h"

namespace weft {

// "Operation not permitted"
std::string message(int error);

// From now on libbpf prints nothing: what it says in this thread is kept for cure_for_loading().
void listen_to_libbpf();

// For the errno with which programs could not be loaded.
std::string cure_for_loading(int error);

// Both of a device of this network namespace, by its interface index. They make system calls that the sandbox
// does not allow.
std::string device_name(unsigned index);
std::expected<LinkLayer, std::string> link_layer_of(unsigned index);

// The memory of a map, shared with the kernel.
template <class Entry>
class MapMemory {
  public:
    MapMemory() noexcept = default;
    MapMemory(const MapMemory&) = delete;
    MapMemory& operator=(const MapMemory&) = delete;

    ~MapMemory() {
        if (!entries_.empty()) ::munmap(entries_.data(), entries_.size_bytes());
    }

    bool map(const bpf_map* map) noexcept {
        const std::size_t entries = bpf_map__max_entries(map);
        void* const memory =
            ::mmap(nullptr, entries * sizeof(Entry), PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
        if (memory == MAP_FAILED) return false;
        entries_ = {static_cast<Entry*>(memory), entries};
        return true;
    }

    Entry& operator[](std::size_t index) const noexcept { return entries_[index]; }

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

  private:
    std::span<Entry> entries_;
};

// The programs write while we read.
inline std::uint64_t load(__u64& word) noexcept {
    return std::atomic_ref(word).load(std::memory_order_relaxed);
}

}  // namespace weft
