#include "crypto/aead.h"

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include <openssl/evp.h>

namespace weft {

namespace {

struct FreeAlgorithm {
    void operator()(EVP_CIPHER* algorithm) const noexcept { EVP_CIPHER_free(algorithm); }
};

using Algorithm = std::unique_ptr<EVP_CIPHER, FreeAlgorithm>;

Algorithm fetch(const char* openssl_name) {
    Algorithm algorithm{EVP_CIPHER_fetch(nullptr, openssl_name, nullptr)};
    if (!algorithm) {
        throw std::runtime_error(std::string{"cannot fetch "} + openssl_name +
                                 " from OpenSSL: choose another cipher, or enable the provider that has it");
    }
    return algorithm;
}

// Fetching costs microseconds and locks, so it happens once a process, and only for the ciphers in use.
const EVP_CIPHER* algorithm_of(Cipher cipher) {
    switch (cipher) {
        case Cipher::aes_128_gcm: {
            static const Algorithm aes_128 = fetch("AES-128-GCM");
            return aes_128.get();
        }
        case Cipher::aes_256_gcm: {
            static const Algorithm aes_256 = fetch("AES-256-GCM");
            return aes_256.get();
        }
        case Cipher::chacha20_poly1305: {
            static const Algorithm chacha = fetch("ChaCha20-Poly1305");
            return chacha.get();
        }
    }
    std::abort();
}

// EVP counts in int. A packet is far smaller; what is not, is a broken caller.
int evp_size(std::size_t size) noexcept {
    if (size > INT_MAX) std::abort();
    return static_cast<int>(size);
}

bool update(EVP_CIPHER_CTX* context, std::uint8_t* out, std::span<const std::uint8_t> in) noexcept {
    int written = 0;
    return in.empty() || EVP_CipherUpdate(context, out, &written, in.data(), evp_size(in.size())) == 1;
}

bool finish(EVP_CIPHER_CTX* context) noexcept {
    std::array<std::uint8_t, EVP_MAX_BLOCK_LENGTH>
        none{};  // an AEAD has no last block, but OpenSSL wants the room
    int written = 0;
    return EVP_CipherFinal_ex(context, none.data(), &written) == 1;
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

void Aead::Free::operator()(EVP_CIPHER_CTX* context) const noexcept {
    EVP_CIPHER_CTX_free(context);
}

Aead::Aead(Cipher cipher, std::span<const std::uint8_t> key, Direction direction)
    : context_(EVP_CIPHER_CTX_new()) {
    const std::string name{to_string(cipher)};
    if (key.size() != key_size(cipher)) {
        throw std::runtime_error("cannot load a key of " + std::to_string(key.size()) + " bytes into " +
                                 name + ": it takes " + std::to_string(key_size(cipher)));
    }
    const int encrypt = direction == Direction::seal ? 1 : 0;
    if (!context_ || EVP_CipherInit_ex2(context_.get(), algorithm_of(cipher), key.data(), nullptr, encrypt,
                                        nullptr) != 1) {
        throw std::runtime_error("cannot load a key into " + name + ": OpenSSL refused it");
    }
}

void Aead::seal(std::span<const std::uint8_t, aead_nonce_size> nonce,
                std::span<const std::uint8_t> associated, std::span<std::uint8_t> text,
                std::span<std::uint8_t, aead_tag_size> tag) noexcept {
    EVP_CIPHER_CTX* const context = context_.get();
    const bool sealed =
        context != nullptr && EVP_EncryptInit_ex2(context, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
        update(context, nullptr, associated) && update(context, text.data(), text) && finish(context) &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, aead_tag_size, tag.data()) == 1;
    if (!sealed) std::abort();
}

bool Aead::open(std::span<const std::uint8_t, aead_nonce_size> nonce,
                std::span<const std::uint8_t> associated, std::span<const std::uint8_t> sealed,
                std::span<std::uint8_t> text, std::span<const std::uint8_t, aead_tag_size> tag) noexcept {
    if (text.size() != sealed.size()) std::abort();
    EVP_CIPHER_CTX* const context = context_.get();
    // OpenSSL takes every control's argument as void*, but only reads the tag it is to expect.
    void* const expected = const_cast<std::uint8_t*>(tag.data());
    const bool opened =
        context != nullptr && EVP_DecryptInit_ex2(context, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, aead_tag_size, expected) == 1 &&
        update(context, nullptr, associated) && update(context, text.data(), sealed) && finish(context);
    if (!opened) std::ranges::fill(text, std::uint8_t{0});
    return opened;
}

}  // namespace weft
