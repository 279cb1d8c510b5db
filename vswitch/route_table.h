// Longest-prefix match, and the routes that it finds.
//
// PrefixMap is a path-compressed binary trie (a Patricia tree that keeps inner prefixes): one node for each
// prefix, and one for each place where two of them part, so n prefixes make fewer than 2n nodes whatever
// their lengths are.
//
//   10.0.0.0/8 = A, 10.1.0.0/16 = B, 10.1.128.0/17 = C, 10.64.0.0/10 = D
//
//                      10.0.0.0/8  A
//                       0 /     \ none
//             10.0.0.0/9 (fork)
//              0 /         \ 1
//     10.1.0.0/16 B     10.64.0.0/10 D
//            \ 1
//      10.1.128.0/17 C
//
// A lookup walks down from the root of its family: a node that does not contain the address ends it, a node
// with a value is the best match so far, and the first bit behind the node's prefix chooses the child.
// Lengths grow strictly on the way, so it takes at most 33 or 129 steps; in a table of n scattered routes it
// is about log2 n. Comparing a prefix is an exclusive or and a count of leading zeros over two words.
//
// Nodes are 32 bytes, two to a cache line, in one vector and linked by index; values lie in a vector of their
// own, since only the one that wins is read. Erased slots are reused. Lookup allocates nothing, is noexcept
// and safe for any number of concurrent readers while nobody writes. A pointer from lookup() or find() is
// valid until the next change.
//
// Host bits of a prefix are ignored: 10.1.2.3/8 is 10.0.0.0/8. A length beyond the family's width means the
// full width.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "vswitch/address.h"
#include "vswitch/id.h"

namespace weft {

// The bits of an address or a prefix, the first one highest; an IPv4 address takes the upper half of `high`.
struct AddressBits {
    std::uint64_t high = 0;
    std::uint64_t low = 0;

    static AddressBits of(const IpAddress& address) noexcept {
        const auto& octets = address.octets();
        AddressBits bits;
        for (std::size_t i = 0; i < 8; ++i) bits.high = bits.high << 8U | octets[i];
        for (std::size_t i = 8; i < 16; ++i) bits.low = bits.low << 8U | octets[i];
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

    [[nodiscard]] std::size_t bit(unsigned index) const noexcept {
        return (index < 64 ? high >> (63 - index) : low >> (127 - index)) & 1U;
    }

    [[nodiscard]] unsigned common(const AddressBits& other) const noexcept {
        const std::uint64_t difference = high ^ other.high;
        if (difference != 0) return static_cast<unsigned>(std::countl_zero(difference));
        return 64 + static_cast<unsigned>(std::countl_zero(low ^ other.low));
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

    [[nodiscard]] std::size_t size() const noexcept { return values_.size() - free_values_.size(); }

  private:
    using Index = std::uint32_t;
    static constexpr Index none = 0xFFFFFFFF;

    struct Node {
        AddressBits bits;
        std::array<Index, 2> child{none, none};
        Index value = none;
        std::uint8_t length = 0;
    };

    static_assert(sizeof(Node) == 32);

    // Where a prefix is, or belongs: the link that leads to the first node that is not a proper ancestor of
    // it.
    struct Place {
        Index* link;
        Index parent;       // node whose child `link` is, or none
        Index grandparent;  // of that
    };

    static unsigned clamp_length(const Prefix& prefix) noexcept {
        return std::min<unsigned>(prefix.length, prefix.address.width());
    }

    Place place(const Prefix& prefix, const AddressBits& bits) noexcept;
    Index make_node(const AddressBits& bits, unsigned length);
    Index make_value(Value value);
    void splice_out(Index* link) noexcept;
    Index* link_to(Index parent, Index child) noexcept;

    [[nodiscard]] const Value* value_at(Index index) const noexcept {
        if (index == none) return nullptr;
        const std::optional<Value>& value = values_[index];
        return value ? &*value : nullptr;
    }

    std::array<Index, 2> roots_{none, none};  // IPv4, IPv6
    std::vector<Node> nodes_;

    std::vector<std::optional<Value>> values_;
    std::vector<Index> free_nodes_;
    std::vector<Index> free_values_;
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
    const AddressBits bits = AddressBits::of(address);
    const unsigned width = address.width();
    Index best = none;
    for (Index at = roots_[address.is_v6() ? 1 : 0]; at != none;) {
        const Node& node = nodes_[at];
        if (node.bits.common(bits) < node.length) break;
        if (node.value != none) best = node.value;
        if (node.length >= width) break;
        at = node.child[bits.bit(node.length)];
    }
    return value_at(best);
}

template <class Value>
const Value* PrefixMap<Value>::find(const Prefix& prefix) const noexcept {
    const unsigned length = clamp_length(prefix);
    const AddressBits bits = AddressBits::of(prefix.address).first(length);
    Index at = roots_[prefix.address.is_v6() ? 1 : 0];
    while (at != none && nodes_[at].length < length) at = nodes_[at].child[bits.bit(nodes_[at].length)];
    if (at == none || nodes_[at].length != length || nodes_[at].bits != bits) return nullptr;
    return value_at(nodes_[at].value);
}

template <class Value>
typename PrefixMap<Value>::Place PrefixMap<Value>::place(const Prefix& prefix,
                                                         const AddressBits& bits) noexcept {
    const unsigned length = clamp_length(prefix);
    Place place{&roots_[prefix.address.is_v6() ? 1 : 0], none, none};
    while (*place.link != none) {
        Node& node = nodes_[*place.link];
        if (node.length >= length || node.bits.common(bits) < node.length) break;
        place = {&node.child[bits.bit(node.length)], *place.link, place.parent};
    }
    return place;
}

// The place found holds one of four things: nothing, the prefix itself, a node inside the prefix (which goes
// below the new one), or a node that parts from it further up (both go below a fork).
template <class Value>
bool PrefixMap<Value>::insert(const Prefix& prefix, Value value) {
    const unsigned length = clamp_length(prefix);
    const AddressBits bits = AddressBits::of(prefix.address).first(length);
    const Index root = prefix.address.is_v6() ? 1 : 0;
    const Place found = place(prefix, bits);
    const Index below = *found.link;
    if (below != none && nodes_[below].length == length && nodes_[below].bits == bits) {
        if (nodes_[below].value != none) return false;
        const Index stored = make_value(std::move(value));
        nodes_[below].value = stored;
        return true;
    }

    const Index stored = make_value(std::move(value));
    const Index added = make_node(bits, length);  // may move all nodes: links are looked up again
    nodes_[added].value = stored;
    Index* link = found.parent == none ? &roots_[root]
                                       : &nodes_[found.parent].child[bits.bit(nodes_[found.parent].length)];
    if (below == none) {
        *link = added;
        return true;
    }
    const unsigned common =
        std::min({bits.common(nodes_[below].bits), length, unsigned{nodes_[below].length}});
    if (common == length) {
        nodes_[added].child[nodes_[below].bits.bit(length)] = below;
        *link = added;
        return true;
    }
    const Index fork = make_node(bits.first(common), common);
    link = found.parent == none ? &roots_[root]
                                : &nodes_[found.parent].child[bits.bit(nodes_[found.parent].length)];
    nodes_[fork].child[bits.bit(common)] = added;
    nodes_[fork].child[nodes_[below].bits.bit(common)] = below;
    *link = fork;
    return true;
}

template <class Value>
bool PrefixMap<Value>::erase(const Prefix& prefix) {
    const unsigned length = clamp_length(prefix);
    const AddressBits bits = AddressBits::of(prefix.address).first(length);
    const Place found = place(prefix, bits);
    if (*found.link == none) return false;
    Node& node = nodes_[*found.link];
    if (node.length != length || node.bits != bits || node.value == none) return false;

    free_values_.push_back(node.value);
    values_[std::exchange(node.value, none)].reset();
    splice_out(found.link);
    if (found.parent != none && nodes_[found.parent].value == none) {
        splice_out(found.grandparent == none ? &roots_[prefix.address.is_v6() ? 1 : 0]
                                             : link_to(found.grandparent, found.parent));
    }
    return true;
}

// Takes the node out if it has no value and at most one child, which moves up.
template <class Value>
void PrefixMap<Value>::splice_out(Index* link) noexcept {
    const Index at = *link;
    const auto& child = nodes_[at].child;
    if (child[0] != none && child[1] != none) return;
    *link = child[0] != none ? child[0] : child[1];
    free_nodes_.push_back(at);
}

template <class Value>
typename PrefixMap<Value>::Index* PrefixMap<Value>::link_to(Index parent, Index child) noexcept {
    auto& children = nodes_[parent].child;
    return children[0] == child ? children.data() : &children[1];
}

template <class Value>
typename PrefixMap<Value>::Index PrefixMap<Value>::make_node(const AddressBits& bits, unsigned length) {
    Node node;
    node.bits = bits;
    node.length = static_cast<std::uint8_t>(length);
    if (free_nodes_.empty()) {
        nodes_.push_back(node);
        free_nodes_.reserve(nodes_.capacity());
        return static_cast<Index>(nodes_.size() - 1);
    }
    const Index at = free_nodes_.back();
    free_nodes_.pop_back();
    nodes_[at] = node;
    return at;
}

template <class Value>
typename PrefixMap<Value>::Index PrefixMap<Value>::make_value(Value value) {
    if (free_values_.empty()) {
        values_.emplace_back(std::move(value));
        free_values_.reserve(values_.capacity());
        return static_cast<Index>(values_.size() - 1);
    }
    const Index at = free_values_.back();
    free_values_.pop_back();
    values_[at].emplace(std::move(value));
    return at;
}

template <class Value>
template <class F>
void PrefixMap<Value>::for_each(F&& f) const {
    std::array<Index, 130> pending{};  // one a level, and the root
    for (const bool is_v6 : {false, true}) {
        std::size_t waiting = 0;
        if (roots_[is_v6 ? 1 : 0] != none) pending[waiting++] = roots_[is_v6 ? 1 : 0];
        while (waiting > 0) {
            const Node& node = nodes_[pending[--waiting]];
            if (const Value* value = value_at(node.value))
                f(Prefix{node.bits.address(is_v6), node.length}, *value);
            for (const Index child : {node.child[1], node.child[0]}) {
                if (child != none) pending[waiting++] = child;
            }
        }
    }
}

}  // namespace weft
