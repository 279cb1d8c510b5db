// Bytes that are or hold secrets, in memory for keys (secret_memory.h): grows at its end, is moved but never
// copied, and is wiped when it goes, what it had outgrown too.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "crypto/secret_memory.h"

namespace weft {

class SecretBuffer {
  public:
    SecretBuffer() noexcept = default;

    explicit SecretBuffer(std::size_t size) noexcept { extend(size); }  // zeros

    SecretBuffer(SecretBuffer&& other) noexcept
        : bytes_(std::move(other.bytes_)),
          size_(std::exchange(other.size_, 0)),
          capacity_(std::exchange(other.capacity_, 0)) {}

    SecretBuffer& operator=(SecretBuffer&& other) noexcept {
        bytes_ = std::move(other.bytes_);
        size_ = std::exchange(other.size_, 0);
        capacity_ = std::exchange(other.capacity_, 0);
        return *this;
    }

    SecretBuffer(const SecretBuffer&) = delete;
    SecretBuffer& operator=(const SecretBuffer&) = delete;
    ~SecretBuffer() = default;

    // `size` more, which are zeros; the span is good until the next call.
    std::span<std::uint8_t> extend(std::size_t size) noexcept {
        if (capacity_ - size_ < size) grow(size_ + size);
        const std::span added{bytes_.get() + size_, size};
        size_ += size;
        return added;
    }

    void append(std::span<const std::uint8_t> bytes) noexcept {
        std::ranges::copy(bytes, extend(bytes.size()).begin());
    }

    [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return {bytes_.get(), size_}; }

    [[nodiscard]] std::span<std::uint8_t> writable() noexcept { return {bytes_.get(), size_}; }

  private:
    void grow(std::size_t least) noexcept {
        constexpr std::size_t first = 4096;
        const std::size_t capacity = std::max({first, least, 2 * capacity_});
        std::unique_ptr<std::uint8_t, FreeSecret> larger{
            static_cast<std::uint8_t*>(allocate_secret(capacity))};
        std::ranges::copy(bytes(), larger.get());
        bytes_ = std::move(larger);
        capacity_ = capacity;
    }

    std::unique_ptr<std::uint8_t, FreeSecret> bytes_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace weft
