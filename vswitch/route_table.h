// Longest-prefix match, and the routes that it finds.
//
// PrefixMap is a hash table for each family, keyed by prefix, and the set of the lengths that are in it. A
// lookup tries the lengths from the longest to the shortest and ends with the first prefix that is there:
//
//   10.0.0.0/8 = A, 10.1.0.0/16 = B, 10.1.128.0/17 = C      lengths: 17, 16, 8
//
//   10.1.2.3     10.1.0.0/17  no     10.1.0.0/16  B
//   10.2.2.3     10.2.0.0/17  no     10.2.0.0/16  no     10.0.0.0/8  A
//
// So it costs a probe for each length that is in use, one to five in a network that somebody has planned,
// whether there are ten prefixes or a hundred thousand: a trie takes log2 n steps, each of them a cache miss
// in a large table, where the probes do not wait for one another.
//
// Lookup allocates nothing, is noexcept and safe for any number of concurrent readers while nobody writes. A
// pointer from lookup() or find() is valid until the next change.
//
// Host bits of a prefix are ignored: 10.1.2.3/8 is 10.0.0.0/8. A length beyond the family's width means the
// full width.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <functional>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "vswitch/address.h"
#include "vswitch/id.h"
#include "vswitch/mix.h"

namespace weft {

// The bits of an address or a prefix, the first one highest; an IPv4 address takes the upper half of `high`.
struct AddressBits {
    std::uint64_t high = 0;
    std::uint64_t low = 0;

    static AddressBits of(const IpAddress& address) noexcept {
        const auto* octets = address.octets().data();
        const auto big_endian = [](std::uint64_t word) {
            return std::endian::native == std::endian::little ? __builtin_bswap64(word) : word;
        };
        const AddressBits bits{big_endian(load_native(octets)), big_endian(load_native(octets + 8))};
        return bits;
    }

    [[nodiscard]] IpAddress address(bool is_v6) const noexcept {
        std::array<std::uint8_t, 16> octets{};
        for (std::size_t i = 0; i < 8; ++i) {
            octets[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
            octets[i + 8] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
        }
        return is_v6 ? IpAddress::v6(octets) : IpAddress::v4({octets[0], octets[1], octets[2], octets[3]});
    }

    [[nodiscard]] AddressBits first(unsigned length) const noexcept {
        if (length == 0) return {};
        if (length <= 64) return {high & ~std::uint64_t{0} << (64 - length), 0};
        return {high, low & ~std::uint64_t{0} << (128 - length)};
    }

    friend bool operator==(const AddressBits&, const AddressBits&) noexcept = default;
};

// Longest-prefix match from prefixes of both families to values.
template <class Value>
class PrefixMap {
  public:
    // False (and no change) if the prefix is there already.
    bool insert(const Prefix& prefix, Value value);
    bool erase(const Prefix& prefix);

    // The value of the longest prefix that contains `address`, or nullptr.
    [[nodiscard]] const Value* lookup(const IpAddress& address) const noexcept;
    [[nodiscard]] const Value* find(const Prefix& prefix) const noexcept;  // exactly this prefix

    // f(const Prefix&, const Value&) for all: IPv4 first, each family in order of address and length.
    template <class F>
    void for_each(F&& f) const;

    [[nodiscard]] std::size_t size() const noexcept {
        return families_[0].values.size() + families_[1].values.size();
    }

  private:
    struct Key {
        AddressBits bits;
        unsigned length = 0;

        static Key of(const Prefix& prefix) noexcept {
            const unsigned length = std::min<unsigned>(prefix.length, prefix.address.width());
            return {AddressBits::of(prefix.address).first(length), length};
        }

        friend bool operator==(const Key&, const Key&) noexcept = default;
    };

    struct Hash {
        using is_avalanching = void;  // boost need not mix the bits once more

        std::size_t operator()(const Key& key) const noexcept {
            return mix(key.bits.high + key.length, key.bits.low);
        }
    };

    struct Length {
        unsigned length = 0;
        std::size_t prefixes = 0;
    };

    struct Family {
        boost::unordered_flat_map<Key, Value, Hash> values;
        std::vector<Length> lengths;  // in use, the longest first
    };

    [[nodiscard]] const Family& family_of(const IpAddress& address) const noexcept {
        return families_[address.is_v6() ? 1 : 0];
    }

    std::array<Family, 2> families_;  // IPv4, IPv6
};

struct Route {
    Prefix to;
    PortId out;  // a device, a tunnel or a leg; no_port in a route with only `via`: resolved by lookup
    std::optional<IpAddress> via{};  // next hop; absent: the destination itself
    enum class Origin : std::uint8_t { connected, peer, configured } origin = Origin::configured;
};

using RouteTable = PrefixMap<Route>;

template <class Value>
const Value* PrefixMap<Value>::lookup(const IpAddress& address) const noexcept {
    const Family& family = family_of(address);
    const AddressBits bits = AddressBits::of(address);
    for (const Length& each : family.lengths) {
        const auto found = family.values.find(Key{bits.first(each.length), each.length});
        if (found != family.values.end()) return &found->second;
    }
    return nullptr;
}

template <class Value>
const Value* PrefixMap<Value>::find(const Prefix& prefix) const noexcept {
    const Family& family = family_of(prefix.address);
    const auto found = family.values.find(Key::of(prefix));
    return found == family.values.end() ? nullptr : &found->second;
}

template <class Value>
bool PrefixMap<Value>::insert(const Prefix& prefix, Value value) {
    Family& family = families_[prefix.address.is_v6() ? 1 : 0];
    const Key key = Key::of(prefix);
    if (!family.values.emplace(key, std::move(value)).second) return false;
    auto place = std::ranges::lower_bound(family.lengths, key.length, std::greater{}, &Length::length);
    if (place == family.lengths.end() || place->length != key.length)
        place = family.lengths.insert(place, {.length = key.length, .prefixes = 0});
    ++place->prefixes;
    return true;
}

template <class Value>
bool PrefixMap<Value>::erase(const Prefix& prefix) {
    Family& family = families_[prefix.address.is_v6() ? 1 : 0];
    const Key key = Key::of(prefix);
    if (family.values.erase(key) == 0) return false;
    const auto place = std::ranges::find(family.lengths, key.length, &Length::length);
    if (--place->prefixes == 0) family.lengths.erase(place);
    return true;
}

template <class Value>
template <class F>
void PrefixMap<Value>::for_each(F&& f) const {
    for (const bool is_v6 : {false, true}) {
        const Family& family = families_[is_v6 ? 1 : 0];
        std::vector<const std::pair<const Key, Value>*> all;
        all.reserve(family.values.size());
        for (const auto& entry : family.values) all.push_back(&entry);
        std::ranges::sort(all, [](const auto* a, const auto* b) {
            const Key& first = a->first;
            const Key& second = b->first;
            return std::tie(first.bits.high, first.bits.low, first.length) <
                   std::tie(second.bits.high, second.bits.low, second.length);
        });
        for (const auto* entry : all) {
            f(Prefix{entry->first.bits.address(is_v6), static_cast<std::uint8_t>(entry->first.length)},
              entry->second);
        }
    }
}

}  // namespace weft
