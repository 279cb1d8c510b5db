// Which MAC address an IP address has on a bridge, and behind which port: what a bridge has to know to answer
// ARP requests and neighbor solicitations itself, so that they need not be flooded over tunnels (RFC 7432
// section 10, RFC 9161).
//
// A binding is *fixed*, told by the configuration, and stays until its port goes; or *learned* from what
// stations say of themselves, and ages. Learning never changes a fixed one. A station that moves takes its
// learned bindings along when it speaks; until then whoever asks here has to compare the binding's port with
// the one where the bridge knows the MAC address.
//
// The attack. Strangers write here: each ARP packet with a new sender makes a binding. A lost one costs a
// flooded request, no more, so the rules are simple ones:
//   1. A port holds at most `entries_per_port`, and replaces its own from then on.
//   2. A place is taken from the port with the most bindings, of those that share a set, and never by a port
//      that has as many or more.
// The hash is no secret.
//
//   sets_   | hash of (VLAN, address) -> 8 entries, in one place |
//
// Memory is asked for at construction, by add_port() and by fix(). Owner: one bridge, one thread. `now` never
// goes backwards.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "vswitch/address.h"
#include "vswitch/id.h"

namespace weft {

class BindingTable {
  public:
    struct Limits {
        std::uint32_t entries = 8192;
        std::uint32_t entries_per_port = 4096;
        Duration aging = std::chrono::seconds{300};
    };

    static constexpr std::size_t ways = 8;
    static constexpr std::size_t sets_per_expiry = 128;

    struct Binding {
        MacAddress mac;
        PortId port;
        bool is_router = false;  // it has said so (RFC 4861 section 4.4)
        bool is_fixed = false;

        friend bool operator==(const Binding&, const Binding&) noexcept = default;
    };

    explicit BindingTable(const Limits& limits);

    // Bindings are learned on known ports only.
    void add_port(PortId port);
    // The first to have an address fixed keeps it.
    void fix(VlanId vlan, std::span<const IpAddress> addresses, const MacAddress& mac, PortId port);
    void forget_port(PortId port) noexcept;  // with its fixed ones

    void learn(VlanId vlan, const IpAddress& address, const Binding& binding, Instant now) noexcept;

    [[nodiscard]] std::optional<Binding> lookup(VlanId vlan, const IpAddress& address,
                                                Instant now) const noexcept;

    // Frees what is aged, a part of the table a call.
    void expire(Instant now) noexcept;

    // Learned ones; aged ones count until they are freed.
    [[nodiscard]] std::uint32_t size(PortId port) const noexcept {
        return port.value() < sizes_.size() ? sizes_[port.value()] : 0;
    }

  private:
    struct Key {
        IpAddress address;
        VlanId vlan;

        friend bool operator==(const Key&, const Key&) noexcept = default;
    };

    struct HashKey {
        std::size_t operator()(const Key& key) const noexcept;
    };

    struct Entry {
        Key key;
        Binding binding;
        Instant last_seen;
        bool used = false;
    };

    using Set = std::array<Entry, ways>;

    [[nodiscard]] Set& set_of(const Key& key) noexcept { return sets_[HashKey{}(key) % sets_.size()]; }

    [[nodiscard]] const Set& set_of(const Key& key) const noexcept {
        return sets_[HashKey{}(key) % sets_.size()];
    }

    [[nodiscard]] bool is_aged(const Entry& entry, Instant now) const noexcept {
        return now - entry.last_seen > limits_.aging;
    }

    [[nodiscard]] bool is_full(PortId port) const noexcept { return size(port) >= limits_.entries_per_port; }

    void change(Entry& entry, const Binding& binding, Instant now) noexcept;
    [[nodiscard]] Entry* place_for(Set& set, PortId port, Instant now) noexcept;
    void release(Entry& entry) noexcept;

    Limits limits_;
    std::vector<Set> sets_;
    std::vector<std::uint32_t> sizes_;  // by port id
    std::unordered_map<Key, Binding, HashKey> fixed_;
    std::size_t expire_next_ = 0;
};

}  // namespace weft
