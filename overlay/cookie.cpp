#include "overlay/cookie.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "overlay/handshake_message.h"
#include "vswitch/wire.h"

namespace weft {

namespace {

constexpr std::string_view cookie_label = "weft cookie v1";
constexpr std::uint8_t for_sealing = 1;
constexpr std::uint8_t for_tag = 2;

struct CookieReplyWire {
    ControlHeader header;
    be32 receiver;
    CookieReply::Nonce nonce;
    Mac sealed;
    Mac tag;
};

static_assert(sizeof(CookieReplyWire) == CookieReply::size);

Mac keystream(const CookieKey& key, const CookieReply::Nonce& nonce,
              std::span<const std::uint8_t, 16> mac1) noexcept {
    std::array<std::uint8_t, 1 + 16 + 16> input{for_sealing};
    std::ranges::copy(mac1, std::ranges::copy(nonce, input.begin() + 1).out);
    Mac stream{};
    blake2s_mac(key, input, stream);
    return stream;
}

Mac tag_of(const CookieKey& key, const CookieReply::Nonce& nonce, std::span<const std::uint8_t, 16> mac1,
           const Mac& sealed) noexcept {
    std::array<std::uint8_t, 1 + 16 + 16 + 16> input{for_tag};
    const auto end = std::ranges::copy(mac1, std::ranges::copy(nonce, input.begin() + 1).out).out;
    std::ranges::copy(sealed, end);
    Mac tag{};
    blake2s_mac(key, input, tag);
    return tag;
}

}  // namespace

Cookie cookie_for(const CookieSecret& secret, const Endpoint& sender) noexcept {
    std::array<std::uint8_t, 1 + 16 + 2> input{static_cast<std::uint8_t>(sender.address.is_v6() ? 6 : 4)};
    const auto end = std::ranges::copy(sender.address.octets(), input.begin() + 1).out;
    const be16 port{sender.port};
    std::memcpy(end, &port, sizeof port);
    Cookie cookie;
    blake2s_mac(secret.bytes(), input, cookie.bytes);
    return cookie;
}

Mac cookie_mac(const Cookie& cookie, ByteView message_to_mac1) noexcept {
    std::array<std::uint8_t, 32> key{};
    std::ranges::copy(cookie.bytes, key.begin());
    Mac mac{};
    blake2s_mac(key, message_to_mac1, mac);
    return mac;
}

CookieKey cookie_key(const PublicKey& giver) noexcept {
    CookieKey key{};
    const ByteView label{reinterpret_cast<const std::uint8_t*>(cookie_label.data()), cookie_label.size()};
    blake2s({label, giver.bytes}, key);
    return key;
}

CookieReply CookieReply::make(const CookieKey& key, const Nonce& nonce, std::uint32_t receiver,
                              std::span<const std::uint8_t, 16> mac1, const Cookie& cookie) noexcept {
    CookieReply reply{.receiver = receiver, .nonce = nonce, .sealed = keystream(key, nonce, mac1)};
    for (std::size_t i = 0; i < reply.sealed.size(); ++i) reply.sealed[i] ^= cookie.bytes[i];
    reply.tag = tag_of(key, nonce, mac1, reply.sealed);
    return reply;
}

std::optional<CookieReply> CookieReply::parse(ByteView datagram) noexcept {
    CookieReplyWire wire;
    if (datagram.size() != sizeof wire) return std::nullopt;
    std::memcpy(&wire, datagram.data(), sizeof wire);
    if (!wire.header.is(ControlType::cookie)) return std::nullopt;
    return CookieReply{
        .receiver = wire.receiver.value(), .nonce = wire.nonce, .sealed = wire.sealed, .tag = wire.tag};
}

CookieReply::Bytes CookieReply::serialize() const noexcept {
    const CookieReplyWire wire{.header = ControlHeader::of(ControlType::cookie),
                               .receiver = receiver,
                               .nonce = nonce,
                               .sealed = sealed,
                               .tag = tag};
    Bytes bytes{};
    std::memcpy(bytes.data(), &wire, sizeof wire);
    return bytes;
}

std::optional<Cookie> CookieReply::open(const CookieKey& key, const Mac& mac1) const noexcept {
    if (!equal_in_constant_time(tag_of(key, nonce, mac1, sealed), tag)) return std::nullopt;
    Cookie cookie{keystream(key, nonce, mac1)};
    for (std::size_t i = 0; i < sealed.size(); ++i) cookie.bytes[i] ^= sealed[i];
    return cookie;
}

}  // namespace weft
