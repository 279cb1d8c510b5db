#include "tests/support/allocation_counter.h"

#include <cstdlib>
#include <new>
#include <vector>

#include <doctest/doctest.h>

namespace weft::test {

bool counting = false;
std::size_t allocations = 0;

}  // namespace weft::test

using namespace weft::test;

namespace {

void* allocate(std::size_t size, std::size_t alignment) {
    if (counting) ++allocations;
    size = (size + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, size == 0 ? alignment : size);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

void* operator new(std::size_t size) {
    return allocate(size, alignof(std::max_align_t));
}

void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}

void operator delete(void* memory) noexcept {
    std::free(memory);  // NOLINT(clang-analyzer-cplusplus.NewDelete): this is the operator
}

void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}

void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

TEST_CASE("the counter sees an allocation") {
    allocations = 0;
    counting = true;
    const std::vector<int> some(3);
    counting = false;
    CHECK(allocations == 1);
    CHECK(some.size() == 3);
}
