// What a backend of Aead provides; for crypto/aead*.cpp alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include "crypto/aead.h"
#include "crypto/secret_memory.h"

namespace weft {

// One loaded key, in memory for keys. The sizes have been checked: sealed.size() == text.size().
class AeadContext {
  public:
    AeadContext() = default;
    virtual ~AeadContext() = default;  // wipes the key
    AeadContext(const AeadContext&) = delete;
    AeadContext& operator=(const AeadContext&) = delete;
    AeadContext(AeadContext&&) = delete;
    AeadContext& operator=(AeadContext&&) = delete;

    // Sizes of types are multiples of their alignment: up to 64, secret memory has the same rule.
    static void* operator new(std::size_t size) { return allocate_secret(size); }

    static void* operator new(std::size_t size, std::align_val_t /*at most 64*/) {
        return allocate_secret(size);
    }

    static void operator delete(void* context) noexcept { free_secret(context); }

    static void operator delete(void* context, std::align_val_t /*alignment*/) noexcept {
        free_secret(context);
    }

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
