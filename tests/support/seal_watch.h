// Looks over the shoulder of every node of a simulated network that seals: is each nonce used once under its
// key, each key at most 180 s old, and each key a fresh one?
//
// It is told of every outbound SA that a node gets, and of every packet that leaves. The numbers that an SA
// has used are kept as intervals, and since numbers are handed out in order, that is one interval most of the
// time. An SA is forgotten when it is older than any may be used; a packet sealed with it after that has a
// key that nobody knows, which is told as well: so days of nonces fit into memory, and none is overlooked. Of
// a key itself 64 bits are kept for ever, to know it again.
//
// Keys that are set by hand are never told: their nonces are watched, and count as strange.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>

#include "crypto/sa.h"
#include "vswitch/id.h"
#include "vswitch/mix.h"

namespace weft::test {

// A set of numbers, small if they are mostly successive.
class NumberSet {
  public:
    // False if `number` is in it already.
    bool insert(std::uint64_t number) {
        auto after = intervals_.upper_bound(number);
        if (after != intervals_.begin() && std::prev(after)->second >= number) return false;
        std::uint64_t last = number;
        if (after != intervals_.end() && after->first == number + 1) {
            last = after->second;
            after = intervals_.erase(after);
        }
        if (after != intervals_.begin() && std::prev(after)->second + 1 == number) {
            std::prev(after)->second = last;
        } else {
            intervals_.emplace_hint(after, number, last);
        }
        return true;
    }

    [[nodiscard]] std::size_t intervals() const noexcept { return intervals_.size(); }

  private:
    std::map<std::uint64_t, std::uint64_t> intervals_;  // first -> last; never adjacent
};

class SealWatch {
  public:
    // `node` may seal for `tunnel` from now on with these keys.
    void installed(std::size_t node, PortId tunnel, const SaKeys& outbound, Instant now);

    // An ESP packet leaves.
    void sealed(std::size_t node, PortId tunnel, std::span<const std::uint8_t> packet, Instant now);

    [[nodiscard]] std::uint64_t nonce_reuses() const noexcept { return nonce_reuses_; }

    // Packets under a key that was never told, or so long ago that it must not be used any more.
    [[nodiscard]] std::uint64_t strange_keys() const noexcept { return strange_keys_; }

    // Keys that had been installed before, anywhere.
    [[nodiscard]] std::uint64_t repeated_keys() const noexcept { return repeated_keys_; }

    // The greatest age of a key that sealed.
    [[nodiscard]] Duration oldest_use() const noexcept { return oldest_use_; }

    [[nodiscard]] std::uint64_t packets() const noexcept { return packets_; }

    [[nodiscard]] std::size_t keys() const noexcept { return keys_.size(); }

    [[nodiscard]] std::size_t remembered() const noexcept { return associations_.size(); }

  private:
    struct Name {
        std::size_t node;
        PortId tunnel;
        std::uint32_t spi;

        friend bool operator==(const Name&, const Name&) noexcept = default;
    };

    struct HashName {
        std::size_t operator()(const Name& name) const noexcept {
            return mix(name.node << 16U | name.tunnel.value(), name.spi);
        }
    };

    struct Association {
        std::uint64_t key = 0;
        std::optional<Instant> installed;  // nothing: by hand
        NumberSet numbers;
    };

    void forget(Instant now);

    std::unordered_map<Name, Association, HashName> associations_;
    std::deque<std::pair<Instant, Name>> in_order_;
    std::unordered_set<std::uint64_t> keys_;
    std::uint64_t packets_ = 0;
    std::uint64_t nonce_reuses_ = 0;
    std::uint64_t strange_keys_ = 0;
    std::uint64_t repeated_keys_ = 0;
    Duration oldest_use_{0};
};

}  // namespace weft::test
