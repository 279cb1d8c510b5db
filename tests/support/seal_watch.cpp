#include "tests/support/seal_watch.h"

#include <algorithm>
#include <chrono>

#include "crypto/esp.h"
#include "vswitch/wire.h"

namespace weft::test {

namespace {

constexpr Duration remembered_for = std::chrono::seconds{240};  // longer than any key may be used

std::uint64_t fingerprint(const SaKeys& keys) noexcept {
    std::uint64_t hash = 0;
    const auto take = [&hash](std::span<const std::uint8_t> bytes) {
        for (const std::uint8_t byte : bytes) hash = mix(hash, byte);
    };
    take(std::span{keys.key.bytes()}.first(key_size(keys.cipher)));
    take(keys.salt);
    return hash;
}

}  // namespace

void SealWatch::installed(std::size_t node, PortId tunnel, const SaKeys& outbound, Instant now) {
    forget(now);
    const Name name{node, tunnel, outbound.spi};
    const std::uint64_t key = fingerprint(outbound);
    if (!keys_.insert(key).second) ++repeated_keys_;
    auto& association = associations_[name];
    // The same key once more keeps its numbers: they are still used up.
    if (association.key != key) association = {.key = key, .installed = now, .numbers = {}};
    in_order_.emplace_back(now, name);
}

void SealWatch::sealed(std::size_t node, PortId tunnel, std::span<const std::uint8_t> packet, Instant now) {
    if (packet.size() < Esp::min_size || Esp::spi_of(packet) == 0) return;
    ++packets_;
    auto& association = associations_[{node, tunnel, Esp::spi_of(packet)}];
    if (association.installed) {
        oldest_use_ = std::max(oldest_use_, now - *association.installed);
    } else {
        ++strange_keys_;
    }
    be64 iv;
    std::ranges::copy(packet.subspan(8, sizeof iv), reinterpret_cast<std::uint8_t*>(&iv));
    if (!association.numbers.insert(iv)) ++nonce_reuses_;
}

void SealWatch::forget(Instant now) {
    for (; !in_order_.empty() && now - in_order_.front().first > remembered_for; in_order_.pop_front()) {
        const auto found = associations_.find(in_order_.front().second);
        if (found != associations_.end() && found->second.installed &&
            now - *found->second.installed > remembered_for)
            associations_.erase(found);
    }
}

}  // namespace weft::test
