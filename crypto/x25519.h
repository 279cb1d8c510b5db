// X25519 (RFC 7748): a private key, loaded into OpenSSL once, and the agreements made with it. Clamping is
// OpenSSL's.
#pragma once

#include <memory>
#include <optional>

#include "crypto/key.h"

struct evp_pkey_st;      // OpenSSL's EVP_PKEY
struct evp_pkey_ctx_st;  // OpenSSL's EVP_PKEY_CTX

namespace weft {

class X25519 {
  public:
    // Computes the public key: one scalar multiplication. Throws std::runtime_error if OpenSSL lacks the
    // algorithm.
    explicit X25519(const PrivateKey& private_key);

    [[nodiscard]] const PublicKey& public_key() const noexcept { return public_key_; }

    // The shared secret with the owner of `remote`: one scalar multiplication. Nothing if it would be all
    // zero, which a remote point of low order brings about (RFC 7748 section 6.1).
    [[nodiscard]] std::optional<Secret<32>> agree(const PublicKey& remote) const noexcept;

  private:
    struct Free {
        void operator()(evp_pkey_st* key) const noexcept;
        void operator()(evp_pkey_ctx_st* context) const noexcept;
    };

    std::unique_ptr<evp_pkey_st, Free> key_;
    std::unique_ptr<evp_pkey_ctx_st, Free> derivation_;
    PublicKey public_key_;
};

}  // namespace weft
