#include "crypto/x25519.h"

#include <stdexcept>

#include <openssl/evp.h>

namespace weft {

void X25519::Free::operator()(EVP_PKEY* key) const noexcept {
    EVP_PKEY_free(key);
}

void X25519::Free::operator()(EVP_PKEY_CTX* context) const noexcept {
    EVP_PKEY_CTX_free(context);
}

X25519::X25519(const PrivateKey& private_key)
    : key_(EVP_PKEY_new_raw_private_key_ex(nullptr, "X25519", nullptr, private_key.bytes().data(),
                                           private_key.bytes().size())) {
    std::size_t size = public_key_.bytes.size();
    if (!key_ || EVP_PKEY_get_raw_public_key(key_.get(), public_key_.bytes.data(), &size) != 1) {
        throw std::runtime_error("loading an X25519 key: OpenSSL refused; is its default provider active?");
    }
    derivation_.reset(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
    if (!derivation_ || EVP_PKEY_derive_init(derivation_.get()) != 1) {
        throw std::runtime_error(
            "preparing X25519 key agreement: OpenSSL refused; is its default provider active?");
    }
}

std::optional<Secret<32>> X25519::agree(const PublicKey& remote) const noexcept {
    const std::unique_ptr<EVP_PKEY, Free> peer{
        EVP_PKEY_new_raw_public_key_ex(nullptr, "X25519", nullptr, remote.bytes.data(), remote.bytes.size())};
    Secret<32> shared;
    std::size_t size = Secret<32>::size;
    if (!peer || EVP_PKEY_derive_set_peer(derivation_.get(), peer.get()) != 1 ||
        EVP_PKEY_derive(derivation_.get(), shared.writable().data(), &size) != 1) {
        return std::nullopt;
    }
    // OpenSSL refuses an all-zero result today; the rule is the protocol's, so it does not rest on that
    // alone.
    if (size != shared.bytes().size() || equal_in_constant_time(shared.bytes(), Secret<32>{}.bytes())) {
        return std::nullopt;
    }
    return shared;
}

}  // namespace weft
