#include "crypto/secret_memory.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

using weft::allocate_secret;
using weft::free_secret;

namespace {

using Block = std::unique_ptr<void, weft::FreeSecret>;

std::span<std::uint8_t> bytes_of(void* block, std::size_t size) {
    return {static_cast<std::uint8_t*>(block), size};
}

bool all(std::span<const std::uint8_t> bytes, std::uint8_t value) {
    return std::ranges::all_of(bytes, [value](std::uint8_t byte) { return byte == value; });
}

// The lines of /proc/self/smaps about the mapping that holds `address`.
std::string mapping_of(const void* address) {
    const auto wanted = reinterpret_cast<std::uintptr_t>(address);
    std::ifstream smaps{"/proc/self/smaps"};
    std::string found;
    bool inside = false;
    for (std::string line; std::getline(smaps, line);) {
        std::uintptr_t begin = 0;
        std::uintptr_t end = 0;
        char dash = 0;
        std::istringstream range{line};
        const bool is_head = static_cast<bool>(range >> std::hex >> begin >> dash >> end) && dash == '-';
        if (is_head) inside = wanted >= begin && wanted < end;
        if (inside) found += line + '\n';
    }
    return found;
}

std::string flags_of(const void* address) {
    const std::string mapping = mapping_of(address);
    const auto flags = mapping.find("VmFlags:");
    return flags == std::string::npos ? "" : mapping.substr(flags);
}

// Whether the kernel lets this process read the byte, asked without touching it.
bool is_readable(const std::uint8_t* address) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const bool readable = ::write(ends[1], address, 1) == 1;
    ::close(ends[0]);
    ::close(ends[1]);
    return readable;
}

constexpr std::size_t sizes[] = {1, 16, 32, 33, 63, 64, 128, 320, 1088, 4096, 5000, 16384, 16385, 70'000};

}  // namespace

TEST_CASE("secret memory of any size is zero, writable to its end, and left out of core dumps") {
    for (const std::size_t size : sizes) {
        CAPTURE(size);
        const Block block{allocate_secret(size)};
        const auto bytes = bytes_of(block.get(), size);
        CHECK(all(bytes, 0));
        std::ranges::fill(bytes, std::uint8_t{0xA5});
        CHECK(all(bytes, 0xA5));
        CHECK(flags_of(block.get()).find(" dd") != std::string::npos);
        CHECK(flags_of(&bytes.back()).find(" dd") != std::string::npos);
    }
}

TEST_CASE(
    "a mapping that is no secret memory is in core dumps: the flag that is looked for tells them apart") {
    const auto heap = std::make_unique<std::array<std::uint8_t, 64>>();
    CHECK_FALSE(flags_of(heap.get()).empty());
    if (!flags_of(heap.get()).contains(" dd")) return;
    // AddressSanitizer keeps its own heap out of core dumps.
    CHECK(flags_of(reinterpret_cast<const void*>(&flags_of)).find(" dd") == std::string::npos);
}

TEST_CASE("secret memory is locked, or says that it is not") {
    const auto before = weft::secret_memory();
    const Block block{allocate_secret(100'000)};
    const auto after = weft::secret_memory();
    CHECK(after.size >= before.size + 100'000);
    const bool locked = flags_of(block.get()).find(" lo") != std::string::npos;
    CHECK(locked == (after.unlocked == before.unlocked));
}

TEST_CASE("a large block is given back to the system") {
    const auto before = weft::secret_memory();
    free_secret(allocate_secret(100'000));
    const auto after = weft::secret_memory();
    CHECK(after.size == before.size);
    CHECK(after.unlocked == before.unlocked);
}

TEST_CASE("nothing can be read before and behind a region of secret memory") {
    const Block block{allocate_secret(100'000)};
    const auto* begin = static_cast<const std::uint8_t*>(block.get());
    REQUIRE(is_readable(begin));
    REQUIRE(is_readable(begin + 99'999));
    CHECK_FALSE(is_readable(begin - 4096));
    CHECK_FALSE(is_readable(begin + 100'000 + 4096));
}

TEST_CASE("a block whose size is a multiple of 64 is aligned to 64, and any other one to 16") {
    for (std::size_t size = 1; size < 20'000; size += size < 2200 ? 1 : 63) {
        const Block block{allocate_secret(size)};
        const auto address = reinterpret_cast<std::uintptr_t>(block.get());
        CAPTURE(size);
        REQUIRE(address % (size % 64 == 0 ? 64 : 16) == 0);
    }
}

TEST_CASE("a freed block is wiped at once, and zero when it is used again") {
    for (const std::size_t size : {32U, 1088U, 16384U}) {
        CAPTURE(size);
        auto* const block = static_cast<std::uint8_t*>(allocate_secret(size));
        std::memset(block, 0xA5, size);
        free_secret(block);
        CHECK(all(bytes_of(block + sizeof(void*), size - sizeof(void*)), 0));
        const Block again{allocate_secret(size)};
        CHECK(again.get() == block);  // the last one freed: still in the cache
        CHECK(all(bytes_of(again.get(), size), 0));
    }
}

TEST_CASE("blocks in use never overlap, whatever is taken and freed on whatever threads") {
    constexpr unsigned thread_count = 4;
    std::atomic<unsigned> wrong = 0;
    const auto run = [&wrong](unsigned number) {
        std::minstd_rand random{number};
        std::vector<std::pair<Block, std::size_t>> held;
        for (unsigned step = 0; step < 4000; ++step) {
            if (held.size() < 50 || random() % 2 == 0) {
                const std::size_t size = 1 + random() % (random() % 16 == 0 ? 20'000 : 1500);
                held.emplace_back(allocate_secret(size), size);
                std::ranges::fill(bytes_of(held.back().first.get(), size),
                                  static_cast<std::uint8_t>(number * 50 + 1));
            } else {
                std::swap(held[random() % held.size()], held.back());
                const auto& [block, size] = held.back();
                if (!all(bytes_of(block.get(), size), static_cast<std::uint8_t>(number * 50 + 1))) ++wrong;
                held.pop_back();
            }
        }
    };
    {
        std::vector<std::jthread> threads;
        for (unsigned number = 0; number < thread_count; ++number) threads.emplace_back(run, number);
    }
    CHECK(wrong == 0);
}

TEST_CASE("freeing nothing is allowed") {
    free_secret(nullptr);
}
