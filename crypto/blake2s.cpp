#include "crypto/blake2s.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "crypto/key.h"

namespace weft {

namespace {

constexpr std::size_t block_size = 64;

void require(bool succeeded) noexcept {
    if (!succeeded) std::abort();
}

template <auto Free>
struct Deleter {
    template <class Object>
    void operator()(Object* object) const noexcept {
        Free(object);
    }
};

EVP_MD_CTX* digest_context() noexcept {
    static const std::unique_ptr<EVP_MD, Deleter<EVP_MD_free>> algorithm{
        EVP_MD_fetch(nullptr, "BLAKE2S-256", nullptr)};
    thread_local const std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>> context{EVP_MD_CTX_new()};
    require(algorithm && context && EVP_DigestInit_ex2(context.get(), algorithm.get(), nullptr) == 1);
    return context.get();
}

EVP_MAC_CTX* mac_context(std::span<const std::uint8_t, 32> key) noexcept {
    static const std::unique_ptr<EVP_MAC, Deleter<EVP_MAC_free>> algorithm{
        EVP_MAC_fetch(nullptr, "BLAKE2SMAC", nullptr)};
    thread_local const std::unique_ptr<EVP_MAC_CTX, Deleter<EVP_MAC_CTX_free>> context{
        EVP_MAC_CTX_new(algorithm.get())};
    std::size_t tag_size = 16;
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &tag_size),
                                     OSSL_PARAM_construct_end()};
    require(context && EVP_MAC_init(context.get(), key.data(), key.size(), parameters) == 1);
    return context.get();
}

}  // namespace

void blake2s(std::initializer_list<ByteView> parts, std::span<std::uint8_t, blake2s_size> digest) noexcept {
    EVP_MD_CTX* const context = digest_context();
    for (const auto part : parts) require(EVP_DigestUpdate(context, part.data(), part.size()) == 1);
    require(EVP_DigestFinal_ex(context, digest.data(), nullptr) == 1);
}

void blake2s_mac(std::span<const std::uint8_t, 32> key, ByteView message,
                 std::span<std::uint8_t, 16> tag) noexcept {
    EVP_MAC_CTX* const context = mac_context(key);
    std::size_t size = 0;
    require(EVP_MAC_update(context, message.data(), message.size()) == 1 &&
            EVP_MAC_final(context, tag.data(), &size, tag.size()) == 1 && size == tag.size());
}

void hmac_blake2s(ByteView key, std::initializer_list<ByteView> parts,
                  std::span<std::uint8_t, blake2s_size> tag) noexcept {
    require(key.size() <= block_size);
    Secret<block_size> pad;
    const auto bytes = pad.writable();

    EVP_MD_CTX* const context = digest_context();
    std::ranges::copy(key, bytes.begin());
    for (auto& byte : bytes) byte ^= 0x36U;
    require(EVP_DigestUpdate(context, bytes.data(), bytes.size()) == 1);
    for (const auto part : parts) require(EVP_DigestUpdate(context, part.data(), part.size()) == 1);
    Secret<blake2s_size> inner;
    require(EVP_DigestFinal_ex(context, inner.writable().data(), nullptr) == 1);

    for (auto& byte : bytes) byte ^= 0x36U ^ 0x5CU;
    blake2s({bytes, inner.bytes()}, tag);
}

void hkdf_expand(std::span<const std::uint8_t, 32> key, ByteView info, std::span<std::uint8_t> out) noexcept {
    require(out.size() <= 255 * blake2s_size);
    Secret<blake2s_size> block;
    ByteView previous;
    for (std::uint8_t counter = 1; !out.empty(); ++counter) {
        hmac_blake2s(key, {previous, info, ByteView{&counter, 1}}, block.writable());
        previous = block.bytes();
        const auto taken = std::min(out.size(), blake2s_size);
        std::ranges::copy(previous.first(taken), out.begin());
        out = out.subspan(taken);
    }
}

}  // namespace weft
