// Control datagrams as bytes. They share the UDP port with ESP and are told apart by the non-ESP marker (RFC
// 3948 section 2.2). All integers are big-endian.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +---------------------------------------------------------------+
//   | 0: non-ESP marker                                             |
//   +---------------+---------------+-------------------------------+
//   | type          | version = 1   | extension size = 0            |
//   +---------------+---------------+-------------------------------+
//   | sender index: names this handshake at the sender              |
//   +---------------------------------------------------------------+
//   | receiver index: the initiation's sender index                 |  response only
//   +---------------------------------------------------------------+
//   | ephemeral public key (32 bytes)                               |  \.
//   +---------------------------------------------------------------+   |
//   | static public key, sealed (32 + 16 bytes)                     |   | Noise message; the static key
//   +---------------------------------------------------------------+   | stands in the initiation only
//   | payload, sealed (n + 16 bytes)                                |  /
//   +---------------------------------------------------------------+
//   | mac1 (16 bytes)                                               |
//   +---------------------------------------------------------------+
//   | mac2 (16 bytes): 0, or the proof of a cookie (cookie.h)       |
//   +---------------------------------------------------------------+
//
//   type: 1 initiation, 2 response; 3 is a cookie's delivery and looks otherwise (cookie.h). An extension (a
//   key encapsulation beside X25519) would stand between the Noise message and mac1; version 1 has none, so
//   another size than 0 is malformed.
//
//   mac1 = keyed BLAKE2s-128 of all before it; key = BLAKE2s("weft mac1 v1" | the recipient's public key).
//   Whoever does not know whom he calls gets no answer, and costs no X25519. It proves nothing else. mac2 is
//   looked at under load only.
//
// Payload of the initiation                          Payload of the response
//   +--------------------------------------------+     +--------------------------------------------+
//   | timestamp (12): TAI64N                     |     | cipher (1): the chosen one                 |
//   +--------------------------------------------+     +--------------------------------------------+
//   | number of ciphers (1): 1..8                |     | responder's workers (1): 1..16             |
//   +--------------------------------------------+     +--------------------------------------------+
//   | ciphers (1 each), the preferred one first  |     | responder's first inbound SPI (4)          |
//   +--------------------------------------------+     +--------------------------------------------+
//   | initiator's workers (1): 1..16             |
//   +--------------------------------------------+     Values of `cipher` that are unknown are passed over.
//   | initiator's first inbound SPI (4)          |
//   +--------------------------------------------+
//
// The first inbound SPI is a multiple of the number of workers beside it. It and the 15 that follow are the
// sender's; which of them are used is told by worker_pairing.h.
//
// The Noise prologue is "weft v1 handshake" and the first 12 bytes of the initiation: what is in the clear
// there is bound to the session, so a stripped extension or a changed version ends the handshake.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "crypto/aead.h"
#include "crypto/blake2s.h"
#include "crypto/key.h"
#include "overlay/cookie.h"
#include "vswitch/wire.h"

namespace weft {

enum class ControlType : std::uint8_t { initiation = 1, response = 2, cookie = 3 };

// What every control datagram begins with.
struct ControlHeader {
    be32 marker;
    std::uint8_t type = 0;
    std::uint8_t version = 0;
    be16 extension_size;

    static ControlHeader of(ControlType type) noexcept;
    [[nodiscard]] bool is(ControlType wanted) const noexcept;
};

inline constexpr std::size_t max_offered_ciphers = 8;
inline constexpr std::size_t max_control_size = 192;  // no control datagram is larger
inline constexpr std::uint32_t min_spi = 256;         // RFC 4303 section 2.1 reserves those below

// One recipient's mac1 key. It is computed from a public key, so it is no secret.
using Mac1Key = std::array<std::uint8_t, 32>;
Mac1Key mac1_key(const PublicKey& recipient) noexcept;

// The parts of a control datagram of which type, version and every size have been checked. Views into it.
struct ControlFrame {
    ControlType type;
    std::uint32_t sender;
    std::uint32_t receiver;  // 0 in an initiation
    ByteView header;         // all before the Noise message
    ByteView noise;
    ByteView maced;          // all before mac1
    ByteView maced_by_mac2;  // all before mac2
    std::span<const std::uint8_t, 16> mac1;
    std::span<const std::uint8_t, 16> mac2;

    // An initiation or a response.
    static std::optional<ControlFrame> parse(ByteView datagram) noexcept;

    [[nodiscard]] bool is_for(const Mac1Key& key) const noexcept;
    [[nodiscard]] bool has_mac2() const noexcept;
    [[nodiscard]] bool proves(const Cookie& cookie) const noexcept;
};

// A control datagram in the making: header, room for a Noise message, and at last the two MACs.
class ControlBuilder {
  public:
    static ControlBuilder initiation(std::uint32_t sender, std::size_t noise_size);
    static ControlBuilder response(std::uint32_t sender, std::uint32_t receiver, std::size_t noise_size);

    [[nodiscard]] ByteView header() const noexcept { return ByteView{bytes_}.first(header_size_); }

    [[nodiscard]] std::span<std::uint8_t> noise() noexcept;

    struct Finished {
        std::vector<std::uint8_t> datagram;
        Mac mac1;
    };

    // Without a cookie mac2 is zero.
    [[nodiscard]] Finished finish(const Mac1Key& recipient, const Cookie* cookie) &&;

  private:
    ControlBuilder(ControlType type, std::size_t header_size, std::uint32_t sender, std::size_t noise_size);

    std::size_t header_size_;
    std::vector<std::uint8_t> bytes_;
};

// The prologue of the handshake that an initiation with this header begins.
std::vector<std::uint8_t> handshake_prologue(ByteView initiation_header);

// TAI64N: 2^62 + 10 + seconds since 1970, nanoseconds. Leap seconds are not followed: only the order matters.
struct Timestamp {
    std::array<std::uint8_t, 12> bytes{};

    static Timestamp at(std::chrono::system_clock::time_point wall) noexcept;

    // The time that at() was given; for timestamps of this node's own.
    [[nodiscard]] std::chrono::system_clock::time_point wall() const noexcept;

    friend auto operator<=>(const Timestamp&, const Timestamp&) noexcept = default;
};

// Where the sender of a message wants to be sent to.
struct InboundSpis {
    static constexpr std::size_t size = 1 + 4;

    unsigned workers = 1;
    std::uint32_t first = 0;

    static std::optional<InboundSpis> parse(std::span<const std::uint8_t, size> bytes) noexcept;
    void write(std::span<std::uint8_t, size> bytes) const noexcept;
};

struct InitiationPayload {
    Timestamp timestamp;
    std::vector<Cipher> ciphers;  // known ones only
    InboundSpis inbound;

    static std::optional<InitiationPayload> parse(ByteView bytes);
    [[nodiscard]] std::vector<std::uint8_t> serialize() const;
};

struct ResponsePayload {
    static constexpr std::size_t size = 1 + InboundSpis::size;

    Cipher cipher = Cipher::aes_128_gcm;
    InboundSpis inbound;

    static std::optional<ResponsePayload> parse(std::span<const std::uint8_t, size> bytes) noexcept;
    [[nodiscard]] std::array<std::uint8_t, size> serialize() const noexcept;
};

}  // namespace weft
