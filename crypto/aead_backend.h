// What a backend of Aead provides; for crypto/aead*.cpp alone.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "crypto/aead.h"

namespace weft {

// One loaded key. The sizes have been checked: sealed.size() == text.size().
class AeadContext {
  public:
    AeadContext() = default;
    virtual ~AeadContext() = default;  // wipes the key
    AeadContext(const AeadContext&) = delete;
    AeadContext& operator=(const AeadContext&) = delete;
    AeadContext(AeadContext&&) = delete;
    AeadContext& operator=(AeadContext&&) = delete;

    // Both say whether they succeeded; after `false` the text is undefined.
    virtual bool seal(std::span<const std::uint8_t, aead_nonce_size> nonce,
                      std::span<const std::uint8_t> associated, std::span<std::uint8_t> text,
                      std::span<std::uint8_t, aead_tag_size> tag) noexcept = 0;
    virtual bool open(std::span<const std::uint8_t, aead_nonce_size> nonce,
                      std::span<const std::uint8_t> associated, std::span<const std::uint8_t> sealed,
                      std::span<std::uint8_t> text,
                      std::span<const std::uint8_t, aead_tag_size> tag) noexcept = 0;
};

// `key` has key_size(cipher) bytes. Throws std::runtime_error.
std::unique_ptr<AeadContext> make_openssl_context(Cipher cipher, std::span<const std::uint8_t> key,
                                                  Aead::Direction direction);

// Whether libipsec-mb is there and, with the instructions of this CPU, faster than OpenSSL.
bool ipsec_mb_suits(Cipher cipher) noexcept;

// Only if ipsec_mb_suits(cipher).
std::unique_ptr<AeadContext> make_ipsec_mb_context(Cipher cipher, std::span<const std::uint8_t> key);

}  // namespace weft
