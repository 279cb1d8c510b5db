// From a handshake's transport keys to the keys of security associations. Each direction's 32-byte transport
// key is a uniformly random HKDF key (RFC 5869 section 2.3); the SA takes its first bytes as the cipher's key
// and the next four as salt:
//
//   key | salt = HKDF-Expand-BLAKE2s(transport key, "weft esp" | SPI (4 bytes, big-endian) | cipher (1 byte))
//
// With the SPI among the input, each pair of workers has a key of its own from the same handshake.
#pragma once

#include <cstdint>

#include "crypto/sa.h"

namespace weft {

SaKeys derive_sa_keys(const Secret<32>& transport_key, std::uint32_t spi, Cipher cipher) noexcept;

}  // namespace weft
