// The Noise protocol framework, revision 34: patterns IK and IKpsk2 with 25519, ChaChaPoly and BLAKE2s.
//
//   IK:                       <- s                      the initiator knows the responder's static key
//                             ...
//   message 1 (initiator)     -> e, es, s, ss           e (32) | s, encrypted (32 + 16) | payload, encrypted
//   (+ 16) message 2 (responder)     <- e, ee, se [, psk]      e (32) | payload, encrypted (+ 16)
//
// A class for each role, so that the order of the steps is in the types. Neither has a source of randomness:
// ephemeral private keys are passed in, must be fresh, and are wiped with the object. What a node knows of a
// peer, the agreement of the two static keys included, stands in a NoiseRemote made once; a handshake then
// costs each side four X25519 operations (its ephemeral key, es, ee, se).
//
// A responder learns who is calling in the middle of message 1, and continues only if it knows the caller:
//
//   1. read_static(message)           the caller's static key, not yet proven
//   2. read_payload(remote, payload)  proven: only the owner of that key can have written the payload
//   3. write_message(...)             message 2
//   4. split()                        the two transport keys
//
// A message that fails leaves an initiator as it was, so a forged answer does no harm. Everything referred to
// by a constructor must outlive the object.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "crypto/blake2s.h"
#include "crypto/key.h"
#include "crypto/x25519.h"

namespace weft {

enum class NoisePattern : std::uint8_t { ik, ik_psk2 };

inline constexpr std::size_t noise_message_1_overhead = 32 + 48 + 16;  // beside the payload
inline constexpr std::size_t noise_message_2_overhead = 32 + 16;

struct NoiseRemote {
    PublicKey static_key;
    Secret<32> static_shared;    // of the local static key and static_key
    PresharedKey preshared_key;  // used by ik_psk2

    // Nothing if `static_key` is a point of low order.
    static std::optional<NoiseRemote> make(const X25519& local, const PublicKey& static_key,
                                           const PresharedKey& preshared_key) noexcept;
};

struct NoiseKeys {
    Secret<32> initiator_to_responder;
    Secret<32> responder_to_initiator;
};

using NoiseHash = std::array<std::uint8_t, blake2s_size>;

// SymmetricState with its CipherState (sections 5.1 and 5.2).
class NoiseSymmetric {
  public:
    explicit NoiseSymmetric(std::string_view protocol_name) noexcept;

    [[nodiscard]] NoiseSymmetric clone() const noexcept;

    void mix_hash(ByteView data) noexcept;
    void mix_key(ByteView input) noexcept;
    void mix_key_and_hash(ByteView input) noexcept;

    // `sealed` has 16 bytes more than `text`.
    void encrypt_and_hash(ByteView text, std::span<std::uint8_t> sealed);
    [[nodiscard]] bool decrypt_and_hash(ByteView sealed, std::span<std::uint8_t> text);

    [[nodiscard]] NoiseKeys split() const noexcept;

    [[nodiscard]] const NoiseHash& hash() const noexcept { return hash_; }

  private:
    NoiseHash hash_{};
    Secret<32> chaining_key_;
    Secret<32> key_;
    std::uint64_t nonce_ = 0;
};

class NoiseInitiator {
  public:
    NoiseInitiator(NoisePattern pattern, ByteView prologue, const X25519& local, const NoiseRemote& remote,
                   const Secret<32>& ephemeral);

    // Message 1 into `message`, which has payload.size() + noise_message_1_overhead bytes. False, and the
    // handshake is over, if no secret can be agreed.
    [[nodiscard]] bool write_message(ByteView payload, std::span<std::uint8_t> message);

    // Message 2. `payload` has message.size() - noise_message_2_overhead bytes.
    [[nodiscard]] bool read_message(ByteView message, std::span<std::uint8_t> payload);

    [[nodiscard]] NoiseKeys split() const noexcept { return state_.split(); }

    [[nodiscard]] const NoiseHash& hash() const noexcept { return state_.hash(); }

  private:
    NoisePattern pattern_;
    NoiseSymmetric state_;
    const X25519* local_;
    const NoiseRemote* remote_;
    X25519 ephemeral_;
};

class NoiseResponder {
  public:
    NoiseResponder(NoisePattern pattern, ByteView prologue, const X25519& local) noexcept;

    // Steps as listed above. `message` is at least noise_message_1_overhead long and must stay until step 2.
    [[nodiscard]] std::optional<PublicKey> read_static(ByteView message);

    // `payload` has message.size() - noise_message_1_overhead bytes; `remote` is the one of the key that step
    // 1 gave.
    [[nodiscard]] bool read_payload(const NoiseRemote& remote, std::span<std::uint8_t> payload);

    // Message 2 into `message`, which has payload.size() + noise_message_2_overhead bytes.
    [[nodiscard]] bool write_message(const Secret<32>& ephemeral, ByteView payload,
                                     std::span<std::uint8_t> message);

    [[nodiscard]] NoiseKeys split() const noexcept { return state_.split(); }

    [[nodiscard]] const NoiseHash& hash() const noexcept { return state_.hash(); }

  private:
    NoisePattern pattern_;
    NoiseSymmetric state_;
    const X25519* local_;
    const NoiseRemote* remote_ = nullptr;
    PublicKey remote_ephemeral_;
    ByteView sealed_payload_;
};

}  // namespace weft
