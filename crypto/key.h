// Secret bytes: kept in memory of their own (secret_memory.h), wiped when they go, moved but never copied,
// without any way to print them. They reach a cipher through bytes(), and a person only through to_base64(),
// which exists for `weft genkey` alone.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "crypto/secret_memory.h"

namespace weft {

void wipe(std::span<std::uint8_t> bytes) noexcept;  // not optimized away
bool equal_in_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) noexcept;

template <std::size_t Size>
class Secret {
  public:
    static constexpr std::size_t size = Size;

    Secret() noexcept = default;  // all zero; takes memory when it is first written

    explicit Secret(std::span<const std::uint8_t, Size> bytes) noexcept {
        std::ranges::copy(bytes, writable().begin());
    }

    Secret(Secret&&) noexcept = default;  // leaves zeros
    Secret& operator=(Secret&&) noexcept = default;
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret() = default;

    // A copy must be asked for by name.
    [[nodiscard]] Secret clone() const noexcept { return Secret{bytes()}; }

    [[nodiscard]] std::span<const std::uint8_t, Size> bytes() const noexcept {
        return bytes_ ? std::span<const std::uint8_t, Size>{*bytes_} : zeros;
    }

    [[nodiscard]] std::span<std::uint8_t, Size> writable() noexcept {
        if (!bytes_) bytes_.reset(new (allocate_secret(Size)) Bytes{});
        return *bytes_;
    }

  private:
    using Bytes = std::array<std::uint8_t, Size>;

    static constexpr Bytes zeros{};

    std::unique_ptr<Bytes, FreeSecret> bytes_;
};

using PrivateKey = Secret<32>;    // X25519 (RFC 7748), clamped when used
using PresharedKey = Secret<32>;  // all zero: none, as in WireGuard

// An X25519 public key: no secret, so a plain value.
struct PublicKey {
    std::array<std::uint8_t, 32> bytes{};

    static std::optional<PublicKey> parse(std::string_view base64) noexcept;
    [[nodiscard]] std::string to_string() const;  // base64

    friend auto operator<=>(const PublicKey&, const PublicKey&) noexcept = default;
};

// 32 bytes of base64, surrounding white space allowed; nothing if it is anything else.
std::optional<Secret<32>> parse_secret(std::string_view base64) noexcept;
std::string to_base64(const Secret<32>& secret);

// From OpenSSL's private generator, which the operating system seeds; aborts if that fails.
void fill_random(std::span<std::uint8_t> bytes) noexcept;

}  // namespace weft
