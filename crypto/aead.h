// Authenticated encryption as ESP and Noise need it, through OpenSSL's EVP. A context is made once,
// with the algorithm fetched and the key loaded; a packet sets its 12-byte nonce and nothing else. 16-byte
// tags. One Aead serves one direction and one thread.
//
//   aes_128_gcm, aes_256_gcm    NIST SP 800-38D; in ESP: RFC 4106
//   chacha20_poly1305           RFC 8439; in ESP: RFC 7634
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

struct evp_cipher_ctx_st;  // OpenSSL's EVP_CIPHER_CTX

namespace weft {

enum class Cipher : std::uint8_t {
    aes_128_gcm = 1,
    aes_256_gcm = 2,
    chacha20_poly1305 = 3
};  // values stand on the wire

inline constexpr std::size_t aead_tag_size = 16;
inline constexpr std::size_t aead_nonce_size = 12;

std::size_t key_size(Cipher cipher) noexcept;        // 16 or 32
std::string_view to_string(Cipher cipher) noexcept;  // "aes-128-gcm"
std::optional<Cipher> parse_cipher(std::string_view name) noexcept;

class Aead {
  public:
    enum class Direction : std::uint8_t { seal, open };

    // `key` has key_size(cipher) bytes. Throws std::runtime_error if OpenSSL lacks the algorithm.
    Aead(Cipher cipher, std::span<const std::uint8_t> key, Direction direction);

    // Encrypts `text` in place and writes the tag. Aborts if OpenSSL fails: nothing half-encrypted may leave.
    void seal(std::span<const std::uint8_t, aead_nonce_size> nonce, std::span<const std::uint8_t> associated,
              std::span<std::uint8_t> text, std::span<std::uint8_t, aead_tag_size> tag) noexcept;

    // Decrypts `sealed` into `text`, which is of the same size: either the very same bytes, or bytes that do
    // not overlap them. If the tag is wrong: false, and `text` is zeros.
    [[nodiscard]] bool open(std::span<const std::uint8_t, aead_nonce_size> nonce,
                            std::span<const std::uint8_t> associated, std::span<const std::uint8_t> sealed,
                            std::span<std::uint8_t> text,
                            std::span<const std::uint8_t, aead_tag_size> tag) noexcept;

  private:
    struct Free {
        void operator()(evp_cipher_ctx_st* context) const noexcept;  // wipes the key
    };

    std::unique_ptr<evp_cipher_ctx_st, Free> context_;
};

}  // namespace weft
