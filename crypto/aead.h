// Authenticated encryption as ESP and Noise need it. A context is made once, with the key loaded; a packet
// brings its 12-byte nonce and nothing else. 16-byte tags. One Aead serves one direction and one thread at a
// time.
//
//   aes_128_gcm, aes_256_gcm    NIST SP 800-38D; in ESP: RFC 4106
//   chacha20_poly1305           RFC 8439; in ESP: RFC 7634
//
// Backends. OpenSSL's EVP does every cipher on every machine. libipsec-mb, if the build found it, is taken
// for the ciphers that it does faster with the instructions this CPU has; the choice is made once a process.
// What one backend seals, the other opens.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

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

// All ciphers in the order in which this machine would like to use them. The third place is for whoever needs
// it: AES-256 is never the fastest, and ChaCha20 before it leaves a machine without AES instructions a
// second choice that suits both (see HandshakerOptions).
//
//   AES instructions    aes_128_gcm        chacha20_poly1305  aes_256_gcm
//   none                chacha20_poly1305  aes_128_gcm        aes_256_gcm
std::array<Cipher, 3> preferred_ciphers() noexcept;

enum class AeadBackend : std::uint8_t { openssl, ipsec_mb };

std::string_view to_string(AeadBackend backend) noexcept;  // "openssl"

// What this machine has for a cipher, the one to use first.
std::vector<AeadBackend> aead_backends(Cipher cipher);

class AeadContext;

class Aead {
  public:
    enum class Direction : std::uint8_t { seal, open };

    // `key` has key_size(cipher) bytes; the backend is the first of aead_backends(cipher), or the one given.
    // Throws std::runtime_error if the key's size is wrong, if OpenSSL lacks the algorithm, or if the machine
    // lacks the backend.
    Aead(Cipher cipher, std::span<const std::uint8_t> key, Direction direction);
    Aead(Cipher cipher, std::span<const std::uint8_t> key, Direction direction, AeadBackend backend);
    ~Aead();  // wipes the key
    Aead(Aead&&) noexcept;
    Aead& operator=(Aead&&) noexcept;
    Aead(const Aead&) = delete;
    Aead& operator=(const Aead&) = delete;

    [[nodiscard]] AeadBackend backend() const noexcept { return backend_; }

    // Encrypts `text` in place and writes the tag. Aborts if that fails: nothing half-encrypted may leave.
    void seal(std::span<const std::uint8_t, aead_nonce_size> nonce, std::span<const std::uint8_t> associated,
              std::span<std::uint8_t> text, std::span<std::uint8_t, aead_tag_size> tag) noexcept;

    // Decrypts `sealed` into `text`, which is of the same size: either the very same bytes, or bytes that do
    // not overlap them. If the tag is wrong: false, and `text` is zeros.
    [[nodiscard]] bool open(std::span<const std::uint8_t, aead_nonce_size> nonce,
                            std::span<const std::uint8_t> associated, std::span<const std::uint8_t> sealed,
                            std::span<std::uint8_t> text,
                            std::span<const std::uint8_t, aead_tag_size> tag) noexcept;

    // Tells the processor that the key will be needed soon: for whoever has other work to do meanwhile.
    void prefetch() const noexcept {
        constexpr std::size_t key_schedule = 1280;  // of GCM, the largest
        for (std::size_t line = 0; line < key_schedule; line += 64)
            __builtin_prefetch(reinterpret_cast<const std::uint8_t*>(context_.get()) + line);
    }

  private:
    AeadBackend backend_;
    std::unique_ptr<AeadContext> context_;
};

}  // namespace weft
