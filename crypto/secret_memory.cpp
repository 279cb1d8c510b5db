#include "crypto/secret_memory.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <stdexcept>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include <openssl/crypto.h>

namespace weft {

namespace {

constexpr std::size_t region_alignment = 65536;
constexpr std::size_t cache_line = 64;

// A size that is a multiple of 64 gets a block whose size is one, too. 1088: a loaded GCM key of libipsec-mb.
constexpr std::array<std::size_t, 22> block_sizes{16,   32,   48,   64,   96,   128,  192,  256,
                                                  320,  384,  512,  640,  768,  896,  1024, 1088,
                                                  1536, 2048, 3072, 4096, 8192, 16384};

struct Free {
    Free* next;
};

struct alignas(cache_line) Region {
    void* mapping;  // guards included
    std::size_t mapping_size;
    std::size_t size;  // header included
    std::size_t block_size;
    bool locked;

    [[nodiscard]] std::uint8_t* blocks() noexcept { return reinterpret_cast<std::uint8_t*>(this + 1); }
};

// The blocks of one size: those that were freed, and those of the newest region that were never used, whose
// pages are not even there.
struct Blocks {
    Free* freed = nullptr;
    std::uint8_t* fresh = nullptr;
    std::size_t fresh_count = 0;
};

// Never destroyed: OpenSSL frees what it has after the last destructor.
constinit std::mutex mutex;
constinit std::array<Blocks, block_sizes.size()> all_blocks{};
constinit SecretMemory total;

std::size_t rounded_up(std::size_t size, std::size_t unit) noexcept {
    return (size + unit - 1) / unit * unit;
}

Region& region_of(void* block) noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(block);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the header is found by arithmetic
    return *reinterpret_cast<Region*>(address & ~(region_alignment - 1));
}

// The mapping is larger than the region by twice the alignment, so that there is room to align it, and at
// least a page at both ends that stays inaccessible.
Region* map_region(std::size_t size, std::size_t block_size) noexcept {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    if (page > region_alignment || size > SIZE_MAX / 2) std::abort();
    size = rounded_up(size, page);
    const std::size_t mapping_size = size + 2 * region_alignment;
    void* const mapping = ::mmap(nullptr, mapping_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) std::abort();
    const auto address = reinterpret_cast<std::uintptr_t>(mapping);
    std::uint8_t* const begin =
        static_cast<std::uint8_t*>(mapping) + (rounded_up(address + page, region_alignment) - address);
    if (::mprotect(begin, size, PROT_READ | PROT_WRITE) != 0) std::abort();
    if (::madvise(begin, size, MADV_DONTDUMP) != 0) std::abort();
    // Pages that were never touched hold nothing, and are not fetched to be locked.
    const bool locked = ::mlock2(begin, size, MLOCK_ONFAULT) == 0;
    total.size += size;
    if (!locked) total.unlocked += size;
    return new (begin) Region{mapping, mapping_size, size, block_size, locked};
}

void unmap(Region& region) noexcept {
    total.size -= region.size;
    if (!region.locked) total.unlocked -= region.size;
    OPENSSL_cleanse(region.blocks(), region.size - sizeof(Region));
    ::munmap(region.mapping, region.mapping_size);
}

std::uint8_t* take_fresh(std::size_t size_class) noexcept {
    Blocks& blocks = all_blocks[size_class];
    const std::size_t block_size = block_sizes[size_class];
    if (blocks.fresh_count == 0) {
        blocks.fresh = map_region(region_alignment, block_size)->blocks();
        blocks.fresh_count = (region_alignment - sizeof(Region)) / block_size;
    }
    --blocks.fresh_count;
    return std::exchange(blocks.fresh, blocks.fresh + block_size);
}

std::size_t class_of(std::size_t size) noexcept {
    return static_cast<std::size_t>(std::ranges::lower_bound(block_sizes, size) - block_sizes.begin());
}

// For OpenSSL, whose interface has these shapes.
void* allocate_for_openssl(std::size_t size, const char* /*file*/, int /*line*/) noexcept {
    return size == 0 ? nullptr : allocate_secret(size);
}

void free_for_openssl(void* block, const char* /*file*/, int /*line*/) noexcept {
    free_secret(block);
}

void* reallocate_for_openssl(void* block, std::size_t size, const char* /*file*/, int /*line*/) noexcept {
    if (size == 0) {
        free_secret(block);
        return nullptr;
    }
    void* const larger = allocate_secret(size);
    if (block != nullptr) std::memcpy(larger, block, std::min(size, region_of(block).block_size));
    free_secret(block);
    return larger;
}

}  // namespace

void* allocate_secret(std::size_t size) noexcept {
    const std::lock_guard guard{mutex};
    const std::size_t size_class = class_of(size);
    if (size_class == block_sizes.size()) {
        if (size > SIZE_MAX / 4) std::abort();
        return map_region(sizeof(Region) + size, size)->blocks();
    }
    Free* const block = all_blocks[size_class].freed;
    if (block == nullptr) return take_fresh(size_class);
    all_blocks[size_class].freed = block->next;
    block->next = nullptr;
    return block;
}

void free_secret(void* block) noexcept {
    if (block == nullptr) return;
    Region& region = region_of(block);
    const std::size_t size_class = class_of(region.block_size);
    if (size_class < block_sizes.size()) OPENSSL_cleanse(block, region.block_size);
    const std::lock_guard guard{mutex};
    if (size_class == block_sizes.size()) return unmap(region);
    Blocks& blocks = all_blocks[size_class];
    blocks.freed = new (block) Free{blocks.freed};
}

SecretMemory secret_memory() noexcept {
    const std::lock_guard guard{mutex};
    return total;
}

void keep_openssl_in_secret_memory() {
    if (CRYPTO_set_mem_functions(&allocate_for_openssl, &reallocate_for_openssl, &free_for_openssl) != 1) {
        throw std::runtime_error(
            "keeping OpenSSL's keys in locked memory: OpenSSL was used before; is something preloaded?");
    }
}

// The deepest user of the stack that handles keys is OpenSSL's X25519, with some 4 KiB.
[[gnu::noinline, gnu::zero_call_used_regs("all")]] void scrub_stack() noexcept {
    std::array<std::uint8_t, 16384> used;  // NOLINT(cppcoreguidelines-pro-type-member-init): wiped, not read
    OPENSSL_cleanse(used.data(), used.size());
}

}  // namespace weft
