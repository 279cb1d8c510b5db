// A published Noise handshake of IK or IKpsk2, in cacophony's format of JSON, said by both roles of weft's:
// each message must be written as published, and read.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

#include "crypto/aead.h"
#include "crypto/noise.h"
#include "crypto/x25519.h"
#include "tests/support/hex.h"

namespace weft::testing {

using Json = nlohmann::json;

inline Secret<32> secret(const std::string& hex) {
    const auto bytes = from_hex(hex);
    return Secret<32>{std::span<const std::uint8_t, 32>{bytes}};
}

inline PublicKey public_key(const std::string& hex) {
    const auto bytes = from_hex(hex);
    PublicKey key;
    if (bytes.size() != key.bytes.size()) throw std::runtime_error("not a public key: " + hex);
    std::ranges::copy(bytes, key.bytes.begin());
    return key;
}

inline std::string hex_of(const Json& vector, const char* name) {
    return vector.at(name).get<std::string>();
}

// Both roles of one published handshake and the transport messages after it.
class NoiseConversation {
  public:
    NoiseConversation(NoisePattern pattern, const Json& vector)
        : a_(secret(hex_of(vector, "init_static"))),
          b_(secret(hex_of(vector, "resp_static"))),
          b_at_a_(*NoiseRemote::make(a_, public_key(hex_of(vector, "init_remote_static")),
                                     psk(vector, "init_psks"))),
          a_at_b_(*NoiseRemote::make(b_, a_.public_key(), psk(vector, "resp_psks"))),
          prologue_(from_hex(hex_of(vector, "init_prologue"))),
          responder_prologue_(from_hex(hex_of(vector, "resp_prologue"))),
          responder_ephemeral_(secret(hex_of(vector, "resp_ephemeral"))),
          initiator_(pattern, prologue_, a_, b_at_a_, secret(hex_of(vector, "init_ephemeral"))),
          responder_(pattern, responder_prologue_, b_) {}

    // Message `number` as its sender writes it and as its receiver reads it.
    bool message(std::size_t number, const Bytes& payload, const Bytes& expected) {
        if (number == 0) return first(payload, expected);
        if (number == 1) return second(payload, expected);
        return transport(number - 2, payload, expected);
    }

    [[nodiscard]] bool hashes_are(const Bytes& hash) const {
        return std::ranges::equal(initiator_.hash(), hash) && std::ranges::equal(responder_.hash(), hash);
    }

  private:
    static PresharedKey psk(const Json& vector, const char* name) {
        return vector.contains(name) ? secret(vector.at(name).at(0).get<std::string>()) : PresharedKey{};
    }

    bool first(const Bytes& payload, const Bytes& expected) {
        Bytes written(payload.size() + noise_message_1_overhead);
        if (!initiator_.write_message(payload, written) || written != expected) return false;
        Bytes read(payload.size());
        return responder_.read_static(expected) == a_.public_key() &&
               responder_.read_payload(a_at_b_, read) && read == payload;
    }

    bool second(const Bytes& payload, const Bytes& expected) {
        Bytes written(payload.size() + noise_message_2_overhead);
        if (!responder_.write_message(responder_ephemeral_, payload, written) || written != expected)
            return false;
        Bytes read(payload.size());
        return initiator_.read_message(expected, read) && read == payload;
    }

    // Initiator and responder in turn, each with its own key and counter (section 5.1); sealed by one side's
    // key and opened by the other side's.
    bool transport(std::size_t number, const Bytes& payload, const Bytes& expected) {
        const bool to_responder = number % 2 == 0;
        const auto sender = (to_responder ? initiator_.split() : responder_.split());
        const auto receiver = (to_responder ? responder_.split() : initiator_.split());
        std::array<std::uint8_t, aead_nonce_size> nonce{};
        nonce[4] = static_cast<std::uint8_t>(number / 2);

        Bytes text = payload;
        std::array<std::uint8_t, aead_tag_size> tag{};
        Aead{Cipher::chacha20_poly1305, key(sender, to_responder), Aead::Direction::seal}.seal(nonce, {},
                                                                                               text, tag);
        text.insert(text.end(), tag.begin(), tag.end());
        if (text != expected) return false;
        text.resize(payload.size());
        return Aead{Cipher::chacha20_poly1305, key(receiver, to_responder), Aead::Direction::open}.open(
                   nonce, {}, text, text, tag) &&
               text == payload;
    }

    static std::span<const std::uint8_t, 32> key(const NoiseKeys& keys, bool to_responder) {
        return to_responder ? keys.initiator_to_responder.bytes() : keys.responder_to_initiator.bytes();
    }

    X25519 a_;
    X25519 b_;
    NoiseRemote b_at_a_;
    NoiseRemote a_at_b_;
    Bytes prologue_;
    Bytes responder_prologue_;
    Secret<32> responder_ephemeral_;
    NoiseInitiator initiator_;
    NoiseResponder responder_;
};

// Both roles, through all of its messages, and the hash of the handshake.
inline bool converses(NoisePattern pattern, const Json& vector) {
    NoiseConversation conversation{pattern, vector};
    std::size_t number = 0;
    for (const auto& message : vector.at("messages")) {
        if (!conversation.message(number++, from_hex(hex_of(message, "payload")),
                                  from_hex(hex_of(message, "ciphertext"))))
            return false;
    }
    return number > 2 && conversation.hashes_are(from_hex(hex_of(vector, "handshake_hash")));
}

}  // namespace weft::testing
