#include "overlay/control_gate.h"

#include <array>
#include <cstring>
#include <utility>

#include "vswitch/mix.h"

namespace weft {

namespace {

// The part of an address that one attacker has: all of an IPv4 address, half of an IPv6 one.
std::uint64_t network_of(const IpAddress& address) noexcept {
    return load_native(address.octets().data());  // behind an IPv4 address are zeros
}

}  // namespace

ControlGate::ControlGate()
    : addresses_(ControlLimits::addresses, {ControlLimits::per_address, ControlLimits::per_address}) {}

void ControlGate::open(const PublicKey& own) noexcept {
    own_ = Own{mac1_key(own), cookie_key(own)};
}

void ControlGate::renew(CookieSecret secret) noexcept {
    former_secret_ = std::exchange(secret_, std::nullopt);
    secret_.emplace(std::move(secret));
    constexpr std::array<std::uint8_t, 4> label{'s', 'e', 'e', 'd'};
    Mac derived{};
    blake2s_mac(secret_->bytes(), label, derived);
    seed_ = load_native(derived.data());
    std::memcpy(nonce_.data(), derived.data() + 8, 8);
}

std::optional<Drop> ControlGate::refuse(ByteView datagram, const Endpoint& from, Instant now) noexcept {
    if (CookieReply::parse(datagram))
        return cookies_.take(now) ? std::nullopt : std::optional{Drop::handshake_rate_limited};
    const auto frame = ControlFrame::parse(datagram);
    if (!own_ || !frame || !frame->is_for(own_->mac1)) return Drop::bad_control;
    auto& unproved = frame->type == ControlType::initiation ? initiations_ : responses_;
    if (unproved.take(now)) return std::nullopt;
    return refuse_under_load(*frame, from, now);
}

std::optional<Drop> ControlGate::refuse_under_load(const ControlFrame& frame, const Endpoint& from,
                                                   Instant now) noexcept {
    if (!proves_address(frame, from)) {
        if (!may_reply(from, now)) return Drop::handshake_rate_limited;
        make_reply(frame, from);
        return Drop::cookie_demanded;
    }
    if (take_for(from.address, now) && proved_.take(now)) return std::nullopt;
    return Drop::handshake_rate_limited;
}

bool ControlGate::proves_address(const ControlFrame& frame, const Endpoint& from) const noexcept {
    if (!frame.has_mac2()) return false;
    const auto proves = [&](const std::optional<CookieSecret>& secret) {
        return secret && frame.proves(cookie_for(*secret, from));
    };
    return proves(secret_) || proves(former_secret_);
}

bool ControlGate::take_for(const IpAddress& address, Instant now) noexcept {
    const auto hash = mix(seed_, network_of(address));
    return addresses_[hash % addresses_.size()].take(now);
}

// Who repeats himself is not to spend what others have not had yet.
bool ControlGate::may_reply(const Endpoint& from, Instant now) noexcept {
    const bool known = knocks_.note(mix(seed_ ^ from.port, network_of(from.address)), now);
    return known ? replies_to_known_.take(now) : replies_to_anybody_.take(now);
}

void ControlGate::make_reply(const ControlFrame& frame, const Endpoint& from) noexcept {
    reply_size_ = 0;
    if (!secret_) return;
    ++replies_;
    std::memcpy(nonce_.data() + 8, &replies_, sizeof replies_);
    reply_ = CookieReply::make(own_->cookie, nonce_, frame.sender, frame.mac1, cookie_for(*secret_, from))
                 .serialize();
    reply_size_ = reply_.size();
}

}  // namespace weft
