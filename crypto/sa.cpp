#include "crypto/sa.h"

#include <algorithm>
#include <cstdlib>
#include <span>
#include <utility>

namespace weft {

namespace {

constexpr std::uint64_t largest_datagram = 65535;

Aead load(const SaKeys& keys, Aead::Direction direction) {
    return Aead{keys.cipher, std::span{keys.key.bytes()}.first(key_size(keys.cipher)), direction};
}

}  // namespace

SaKeys SaKeys::clone() const noexcept {
    return {.spi = spi, .cipher = cipher, .key = key.clone(), .salt = salt};
}

OutboundSa::OutboundSa(const SaKeys& keys) : OutboundSa(keys, 1, max_packets, max_bytes(keys.cipher)) {}

OutboundSa::OutboundSa(const SaKeys& keys, std::uint64_t first, std::uint64_t limit, std::uint64_t bytes)
    : keys_(keys.clone()),
      next_(first),
      limit_(std::min(limit, max_packets)),
      last_start_(bytes - std::min(bytes, largest_datagram)),
      aead_(load(keys, Aead::Direction::seal)) {
    if (first == 0) std::abort();
}

void OutboundSa::wipe() noexcept {
    next_ = unlimited;
    const Aead gone = std::move(aead_);
    keys_.key = {};
}

void OutboundSa::skip_to(std::uint64_t next, std::uint64_t bytes) noexcept {
    if (next < next_ || bytes < bytes_) std::abort();
    next_ = next;
    bytes_ = bytes;
}

void OutboundSa::raise_limit(std::uint64_t limit) noexcept {
    limit = std::min(limit, max_packets);
    if (limit < limit_) std::abort();
    limit_ = limit;
}

InboundSa::InboundSa(const SaKeys& keys, std::size_t replay_window, std::uint64_t highest)
    : InboundSa(keys, ReplayWindow(replay_window, highest)) {}

InboundSa::InboundSa(const SaKeys& keys, ReplayWindow window)
    : keys_(keys.clone()), window_(std::move(window)), aead_(load(keys, Aead::Direction::open)) {}

}  // namespace weft
