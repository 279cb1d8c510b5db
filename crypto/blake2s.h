// BLAKE2s (RFC 7693) through OpenSSL, and what Noise and weft build on it: HMAC (RFC 2104) and HKDF (RFC
// 5869). The algorithms are fetched once in a process and contexts kept for each thread, so a digest costs
// its compressions only. OpenSSL wipes a context's state when the digest is taken. A failure of OpenSSL
// aborts: nothing here depends on input.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

namespace weft {

inline constexpr std::size_t blake2s_size = 32;

using ByteView = std::span<const std::uint8_t>;

// BLAKE2s-256 of the parts, one after the other.
void blake2s(std::initializer_list<ByteView> parts, std::span<std::uint8_t, blake2s_size> digest) noexcept;

// Keyed BLAKE2s-128: a message authentication code in one pass, without HMAC.
void blake2s_mac(std::span<const std::uint8_t, 32> key, ByteView message,
                 std::span<std::uint8_t, 16> tag) noexcept;

// `key` has at most 64 bytes, the block size.
void hmac_blake2s(ByteView key, std::initializer_list<ByteView> parts,
                  std::span<std::uint8_t, blake2s_size> tag) noexcept;

// HKDF-Expand (RFC 5869 section 2.3) of a uniformly random key; at most 255 * 32 bytes.
void hkdf_expand(std::span<const std::uint8_t, 32> key, ByteView info, std::span<std::uint8_t> out) noexcept;

}  // namespace weft
