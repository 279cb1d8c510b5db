// An allocator for tables that are looked into all over: from `huge_page` bytes on their memory is asked for
// in huge pages (MADV_HUGEPAGE, where the kernel has them to give), so that a lookup does not miss the
// translation buffer before it misses the cache. Smaller ones come from the heap.
#pragma once

#include <cstddef>
#include <new>

#include <sys/mman.h>

namespace weft {

template <class T>
struct HugePageAllocator {
    using value_type = T;

    static constexpr std::size_t huge_page = std::size_t{2} << 20U;

    HugePageAllocator() noexcept = default;

    template <class Other>
    explicit(false) HugePageAllocator(const HugePageAllocator<Other>&) noexcept {}

    [[nodiscard]] T* allocate(std::size_t count) {
        const std::size_t bytes = count * sizeof(T);
        const auto alignment = std::align_val_t{bytes < huge_page ? alignof(T) : huge_page};
        void* memory = ::operator new(bytes, alignment);
        if (bytes >= huge_page) ::madvise(memory, bytes, MADV_HUGEPAGE);
        return static_cast<T*>(memory);
    }

    void deallocate(T* memory, std::size_t count) noexcept {
        const std::size_t bytes = count * sizeof(T);
        ::operator delete(memory, std::align_val_t{bytes < huge_page ? alignof(T) : huge_page});
    }

    friend bool operator==(const HugePageAllocator&, const HugePageAllocator&) noexcept { return true; }
};

}  // namespace weft
