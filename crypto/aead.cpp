#include "crypto/aead.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string>

#ifndef __x86_64__
#include <sys/auxv.h>
#endif

#include "crypto/aead_backend.h"

namespace weft {

namespace {

// AES and the carry-less multiplication of GCM.
bool has_aes_instructions() noexcept {
#if defined(__x86_64__)
    return __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("pclmul") != 0;
#elif defined(__aarch64__)
    constexpr unsigned long aes_and_pmull = 1UL << 3U | 1UL << 4U;  // HWCAP_AES, HWCAP_PMULL
    return (getauxval(AT_HWCAP) & aes_and_pmull) == aes_and_pmull;
#else
    return false;
#endif
}

bool has_backend(Cipher cipher, AeadBackend backend) noexcept {
    return backend == AeadBackend::openssl || ipsec_mb_suits(cipher);
}

AeadBackend best_backend(Cipher cipher) noexcept {
    return ipsec_mb_suits(cipher) ? AeadBackend::ipsec_mb : AeadBackend::openssl;
}

std::unique_ptr<AeadContext> make_context(Cipher cipher, std::span<const std::uint8_t> key,
                                          Aead::Direction direction, AeadBackend backend) {
    const std::string name{to_string(cipher)};
    if (key.size() != key_size(cipher)) {
        throw std::runtime_error("cannot load a key of " + std::to_string(key.size()) + " bytes into " +
                                 name + ": it takes " + std::to_string(key_size(cipher)));
    }
    if (!has_backend(cipher, backend)) {
        throw std::runtime_error("cannot use " + std::string{to_string(backend)} + " for " + name +
                                 ": this build or this CPU lacks it; use openssl");
    }
    return backend == AeadBackend::openssl ? make_openssl_context(cipher, key, direction)
                                           : make_ipsec_mb_context(cipher, key);
}

}  // namespace

std::size_t key_size(Cipher cipher) noexcept {
    return cipher == Cipher::aes_128_gcm ? 16 : 32;
}

std::string_view to_string(Cipher cipher) noexcept {
    switch (cipher) {
        case Cipher::aes_128_gcm:
            return "aes-128-gcm";
        case Cipher::aes_256_gcm:
            return "aes-256-gcm";
        case Cipher::chacha20_poly1305:
            return "chacha20-poly1305";
    }
    std::abort();
}

std::optional<Cipher> parse_cipher(std::string_view name) noexcept {
    for (const Cipher cipher : {Cipher::aes_128_gcm, Cipher::aes_256_gcm, Cipher::chacha20_poly1305})
        if (name == to_string(cipher)) return cipher;
    return std::nullopt;
}

std::array<Cipher, 3> preferred_ciphers() noexcept {
    if (has_aes_instructions()) return {Cipher::aes_128_gcm, Cipher::chacha20_poly1305, Cipher::aes_256_gcm};
    return {Cipher::chacha20_poly1305, Cipher::aes_128_gcm, Cipher::aes_256_gcm};
}

std::string_view to_string(AeadBackend backend) noexcept {
    switch (backend) {
        case AeadBackend::openssl:
            return "openssl";
        case AeadBackend::ipsec_mb:
            return "ipsec-mb";
    }
    std::abort();
}

std::vector<AeadBackend> aead_backends(Cipher cipher) {
    if (ipsec_mb_suits(cipher)) return {AeadBackend::ipsec_mb, AeadBackend::openssl};
    return {AeadBackend::openssl};
}

Aead::Aead(Cipher cipher, std::span<const std::uint8_t> key, Direction direction)
    : Aead(cipher, key, direction, best_backend(cipher)) {}

Aead::Aead(Cipher cipher, std::span<const std::uint8_t> key, Direction direction, AeadBackend backend)
    : backend_(backend), context_(make_context(cipher, key, direction, backend)) {
    scrub_stack();  // of round keys
}

Aead::~Aead() = default;
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;

void Aead::seal(std::span<const std::uint8_t, aead_nonce_size> nonce,
                std::span<const std::uint8_t> associated, std::span<std::uint8_t> text,
                std::span<std::uint8_t, aead_tag_size> tag) noexcept {
    if (!context_ || !context_->seal(nonce, associated, text, tag)) std::abort();
}

bool Aead::open(std::span<const std::uint8_t, aead_nonce_size> nonce,
                std::span<const std::uint8_t> associated, std::span<const std::uint8_t> sealed,
                std::span<std::uint8_t> text, std::span<const std::uint8_t, aead_tag_size> tag) noexcept {
    if (text.size() != sealed.size()) std::abort();
    if (context_ && context_->open(nonce, associated, sealed, text, tag)) return true;
    std::ranges::fill(text, std::uint8_t{0});
    return false;
}

}  // namespace weft
