// Which control datagrams a worker hands to the control thread, so that a flood of handshake messages costs
// neither that thread nor the established sessions much. Three questions, the cheap ones first:
//
//   1. Is it well-formed, and its mac1 under this node's public key?             else bad_control
//   2. Is there a token for messages of its type that prove no address?          then it passes
//   3. Under load, then: does mac2 prove the cookie of the address it is from?   else cookie_demanded, and
//      Is there a token for that address, and one for all that have proved       reply() is sent there
//      theirs?                                                                   else handshake_rate_limited
//
// Load is what empties the bucket of question 2: a node that is called by a few hundred peers a second never
// asks for a cookie. A flood takes those tokens, and then costs a BLAKE2s or four a message here, and nothing
// beyond. Whoever has a cookie does not compete with it.
//
// To send a reply costs several times what it costs to find that one is due, so a few thousand a second go to
// anybody. Beyond that they go to who has called before (knocks.h): an honest peer repeats its first message
// after a second, and spoofed random addresses do not. The others are handshake_rate_limited.
//
// The address that is limited is an IPv4 address or an IPv6 /64. The table of their buckets is fixed in size
// and has no entries to displace: an address is hashed to its bucket, which it may share with others, under a
// seed that changes with the secret, so that nobody is in bad company for long. Cookies' deliveries carry no
// mac1; they are cheap to refuse and have a bucket of their own.
//
// Has no clock and no randomness: it is told the time, and every 2 minutes a secret. Until it has been told
// the node's public key nothing passes; without a secret no cookies are given. One worker's; nothing here
// allocates but the constructor (400 KiB).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "overlay/cookie.h"
#include "overlay/handshake_message.h"
#include "overlay/knocks.h"
#include "vswitch/drop.h"
#include "vswitch/token_bucket.h"

namespace weft {

struct ControlLimits {
    // A second, and at once. An initiation costs the control side an X25519 at least (about 50 us), a
    // response or a cookie with a wrong index a look into a table.
    static constexpr std::uint32_t initiations = 500;
    static constexpr std::uint32_t responses = 5000;
    static constexpr std::uint32_t cookies = 2000;
    static constexpr std::uint32_t proved = 4000;  // initiations and responses, of all addresses

    // Replies: to anybody, and to who has called before.
    static constexpr std::uint32_t replies = 4000;
    static constexpr std::uint32_t repeated = 10'000;

    // An address with a cookie: many peers may be behind one NAT.
    static constexpr std::uint32_t per_address = 100;
    static constexpr std::size_t addresses = 4096;  // buckets; a power of two
};

class ControlGate {
  public:
    ControlGate();

    void open(const PublicKey& own) noexcept;
    void renew(CookieSecret secret) noexcept;  // the one before stays good, older ones do not

    // Whether a control datagram is to be kept from the control side, and why. What is not has at most
    // max_control_size bytes.
    std::optional<Drop> refuse(ByteView datagram, const Endpoint& from, Instant now) noexcept;

    // The answer to what was refused last as cookie_demanded; empty if none can be given.
    [[nodiscard]] ByteView reply() const noexcept { return {reply_.data(), reply_size_}; }

  private:
    std::optional<Drop> refuse_under_load(const ControlFrame& frame, const Endpoint& from,
                                          Instant now) noexcept;
    [[nodiscard]] bool proves_address(const ControlFrame& frame, const Endpoint& from) const noexcept;
    bool take_for(const IpAddress& address, Instant now) noexcept;
    bool may_reply(const Endpoint& from, Instant now) noexcept;
    void make_reply(const ControlFrame& frame, const Endpoint& from) noexcept;

    struct Own {
        Mac1Key mac1;
        CookieKey cookie;
    };

    std::optional<Own> own_;
    std::optional<CookieSecret> secret_;
    std::optional<CookieSecret> former_secret_;
    CookieReply::Nonce nonce_{};  // eight bytes of the secret's, then a counter
    std::uint64_t replies_ = 0;
    std::uint64_t seed_ = 0;

    TokenBucket initiations_{ControlLimits::initiations, ControlLimits::initiations};
    TokenBucket responses_{ControlLimits::responses, 2 * ControlLimits::responses};
    TokenBucket cookies_{ControlLimits::cookies, ControlLimits::cookies};
    TokenBucket proved_{ControlLimits::proved, ControlLimits::proved};
    TokenBucket replies_to_anybody_{ControlLimits::replies, ControlLimits::replies};
    TokenBucket replies_to_known_{ControlLimits::repeated, ControlLimits::repeated};
    Knocks knocks_;
    std::vector<TokenBucket> addresses_;

    CookieReply::Bytes reply_{};
    std::size_t reply_size_ = 0;
};

}  // namespace weft
