// Aead by OpenSSL's EVP: an algorithm is fetched once a process, a context keyed once an SA. A packet then
// costs one call each for nonce, associated data, text, end and tag. EVP_Cipher and the parameter calls do
// what EVP_CipherUpdate and EVP_CIPHER_CTX_ctrl do, without the latter's bookkeeping for block modes and
// engines.
#include <array>
#include <climits>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "crypto/aead_backend.h"

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

// EVP_Cipher takes associated data when there is no room for output.
bool update(EVP_CIPHER_CTX* context, std::uint8_t* out, std::span<const std::uint8_t> in) noexcept {
    if (in.size() > INT_MAX) std::abort();
    return in.empty() || EVP_Cipher(context, out, in.data(), static_cast<unsigned>(in.size())) >= 0;
}

// EVP_Cipher without input would do the same in most versions of OpenSSL; 3.0.19 then does nothing at all for
// ChaCha20-Poly1305, so that no tag is made and none is checked.
bool finish(EVP_CIPHER_CTX* context) noexcept {
    std::array<std::uint8_t, EVP_MAX_BLOCK_LENGTH> none{};  // an AEAD has no last block
    int size = 0;
    return EVP_CipherFinal_ex(context, none.data(), &size) == 1;
}

// The one parameter that a packet needs; OpenSSL takes it as writable, whichever way it goes.
std::array<OSSL_PARAM, 2> tag_parameter(const std::uint8_t* tag) noexcept {
    return {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, const_cast<std::uint8_t*>(tag),
                                              aead_tag_size),
            OSSL_PARAM_construct_end()};
}

class OpensslContext final : public AeadContext {
  public:
    OpensslContext(Cipher cipher, std::span<const std::uint8_t> key, Aead::Direction direction)
        : context_(EVP_CIPHER_CTX_new()) {
        const int encrypt = direction == Aead::Direction::seal ? 1 : 0;
        if (!context_ || EVP_CipherInit_ex2(context_.get(), algorithm_of(cipher), key.data(), nullptr,
                                            encrypt, nullptr) != 1) {
            throw std::runtime_error("cannot load a key into " + std::string{to_string(cipher)} +
                                     ": OpenSSL refused it");
        }
    }

    bool seal(std::span<const std::uint8_t, aead_nonce_size> nonce, std::span<const std::uint8_t> associated,
              std::span<std::uint8_t> text, std::span<std::uint8_t, aead_tag_size> tag) noexcept override {
        EVP_CIPHER_CTX* const context = context_.get();
        auto tag_out = tag_parameter(tag.data());
        return EVP_EncryptInit_ex2(context, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
               update(context, nullptr, associated) && update(context, text.data(), text) &&
               finish(context) && EVP_CIPHER_CTX_get_params(context, tag_out.data()) == 1;
    }

    bool open(std::span<const std::uint8_t, aead_nonce_size> nonce, std::span<const std::uint8_t> associated,
              std::span<const std::uint8_t> sealed, std::span<std::uint8_t> text,
              std::span<const std::uint8_t, aead_tag_size> tag) noexcept override {
        EVP_CIPHER_CTX* const context = context_.get();
        const auto tag_in = tag_parameter(tag.data());
        return EVP_DecryptInit_ex2(context, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
               EVP_CIPHER_CTX_set_params(context, tag_in.data()) == 1 &&
               update(context, nullptr, associated) && update(context, text.data(), sealed) &&
               finish(context);
    }

  private:
    struct Free {
        void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
    };

    std::unique_ptr<EVP_CIPHER_CTX, Free> context_;
};

}  // namespace

std::unique_ptr<AeadContext> make_openssl_context(Cipher cipher, std::span<const std::uint8_t> key,
                                                  Aead::Direction direction) {
    return std::make_unique<OpensslContext>(cipher, key, direction);
}

}  // namespace weft
