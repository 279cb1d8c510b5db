// Memory for keys: locked, so that it is never written to swap; left out of core dumps; between pages that
// cannot be touched, so that no overflow runs into it or out of it; wiped when it is freed.
//
// How. Blocks of one size share a region of 64 KiB, larger ones have a region each. A region begins with its
// header at a multiple of 64 KiB, so a block's address leads to it. Freed blocks wait in the list of their
// size, and no region of blocks is given back: a node needs again what it needed once.
//
//   | guard | header | block | block | ... | guard |
//
// Locking is a request: the kernel refuses when RLIMIT_MEMLOCK is used up, the memory is used nevertheless,
// and secret_memory() tells. Everything here may be called from any thread and never throws; it aborts if
// there is no memory, as a key that cannot be kept cannot be used either.
//
// Alignment. A block whose size is a multiple of 64 is aligned to 64, any other one to 16.
#pragma once

#include <array>
#include <cstddef>

#include <sys/syscall.h>

namespace weft {

[[nodiscard]] void* allocate_secret(std::size_t size) noexcept;  // all zero
void free_secret(void* block) noexcept;                          // wipes it; nullptr is nothing

struct FreeSecret {
    void operator()(void* block) const noexcept { free_secret(block); }
};

struct SecretMemory {
    std::size_t size = 0;      // bytes in regions, in use or not
    std::size_t unlocked = 0;  // of these, what the kernel would not lock
};

SecretMemory secret_memory() noexcept;

// Makes OpenSSL keep here whatever it allocates: contexts with loaded keys, the state of its generator, and
// all else, since it does not tell the one from the other. To be called before anything else touches OpenSSL;
// throws std::runtime_error if that is too late.
void keep_openssl_in_secret_memory();

// Wipes what functions that have returned left behind on this thread's stack and in its registers: to be
// called by whoever called something that handles keys, and holds none itself.
void scrub_stack() noexcept;

// What it asks of the kernel while the node runs, beside what every allocator does.
inline constexpr std::array secret_memory_system_calls{SYS_mlock2, SYS_madvise};

}  // namespace weft
