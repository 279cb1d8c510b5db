// Cookies: what a node under load asks for before it spends an X25519 on a handshake message, so that whoever
// floods it has to receive at the addresses that he sends from. All here is a few BLAKE2s; the gate
// (control_gate.h) says when cookies are asked for, the Handshaker keeps and uses those that it gets.
//
//   cookie = keyed BLAKE2s-128 (secret, the sender's address and port)     secret: the asking node's alone
//   mac2   = keyed BLAKE2s-128 (cookie, the message up to and including mac1)
//
// Nothing is stored for a sender: the cookie is computed again when a message with mac2 comes. The secret is
// replaced every 2 minutes, and the previous one is good until the next: a cookie serves for 2 minutes at
// least, and its holder trusts it for a little less.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +---------------------------------------------------------------+
//   | 0: non-ESP marker                                             |
//   +---------------+---------------+-------------------------------+
//   | type = 3      | version = 1   | extension size = 0            |
//   +---------------+---------------+-------------------------------+
//   | receiver index: the sender index of the message it answers    |
//   +---------------------------------------------------------------+
//   | nonce (16 bytes): never twice under a public key              |
//   +---------------------------------------------------------------+
//   | sealed cookie (16 bytes)                                      |
//   +---------------------------------------------------------------+
//   | tag (16 bytes)                                                |
//   +---------------------------------------------------------------+
//
// The 60 bytes are fewer than any message that they answer: nobody is sent more than was sent in his name.
//
//   key    = BLAKE2s ("weft cookie v1" | public key of the node that asks)
//   sealed = cookie xor keyed BLAKE2s-128 (key, 1 | nonce | mac1)          mac1: of the message it answers
//   tag    = keyed BLAKE2s-128 (key, 2 | nonce | mac1 | sealed)
//
// That is encrypt-then-MAC from one pseudo-random function whose two uses the first byte keeps apart; the
// plaintext is a single block of it, so no cipher is needed, whose context would have to be made for every
// message. What it protects: only who has seen mac1 can read the cookie or make a reply that is believed, so
// a stranger off the path can neither collect cookies in a peer's name nor have a peer forget its own.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "crypto/blake2s.h"
#include "crypto/key.h"
#include "vswitch/address.h"
#include "vswitch/id.h"

namespace weft {

using Mac = std::array<std::uint8_t, 16>;
using CookieSecret = Secret<32>;

// Proves an address for two minutes and opens nothing, so it does without a Secret's memory, of which the
// packet thread would have to take some for every message.
struct Cookie {
    std::array<std::uint8_t, 16> bytes{};

    friend bool operator==(const Cookie&, const Cookie&) noexcept = default;
};

inline constexpr Duration cookie_secret_lifetime = std::chrono::minutes{2};
inline constexpr Duration cookie_lifetime =
    cookie_secret_lifetime - std::chrono::seconds{5};  // held by a peer

Cookie cookie_for(const CookieSecret& secret, const Endpoint& sender) noexcept;
Mac cookie_mac(const Cookie& cookie, ByteView message_to_mac1) noexcept;  // mac2

// One asking node's key for the cookies that it gives. It is computed from a public key, so it is no secret.
using CookieKey = std::array<std::uint8_t, 32>;
CookieKey cookie_key(const PublicKey& giver) noexcept;

// A cookie's delivery as bytes.
struct CookieReply {
    static constexpr std::size_t size = 60;
    using Nonce = std::array<std::uint8_t, 16>;
    using Bytes = std::array<std::uint8_t, size>;

    std::uint32_t receiver = 0;
    Nonce nonce{};
    Mac sealed{};
    Mac tag{};

    static CookieReply make(const CookieKey& key, const Nonce& nonce, std::uint32_t receiver,
                            std::span<const std::uint8_t, 16> mac1, const Cookie& cookie) noexcept;

    // Nothing if the datagram is no cookie's delivery.
    static std::optional<CookieReply> parse(ByteView datagram) noexcept;
    [[nodiscard]] Bytes serialize() const noexcept;

    // Nothing if it does not answer the message of this mac1.
    [[nodiscard]] std::optional<Cookie> open(const CookieKey& key, const Mac& mac1) const noexcept;
};

}  // namespace weft
