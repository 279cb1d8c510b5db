#include "vswitch/binding_table.h"

#include <algorithm>

#include "vswitch/mix.h"

namespace weft {

std::size_t BindingTable::HashKey::operator()(const Key& key) const noexcept {
    return mix(std::hash<IpAddress>{}(key.address), key.vlan.value());
}

BindingTable::BindingTable(const Limits& limits)
    : limits_{.entries = std::max(limits.entries, 1U),
              .entries_per_port = std::max(limits.entries_per_port, 1U),
              .aging = limits.aging},
      sets_((limits_.entries + ways - 1) / ways) {}

void BindingTable::add_port(PortId port) {
    if (port.value() >= sizes_.size()) sizes_.resize(port.value() + std::size_t{1});
}

void BindingTable::fix(VlanId vlan, std::span<const IpAddress> addresses, const MacAddress& mac,
                       PortId port) {
    for (const IpAddress& address : addresses)
        fixed_.try_emplace({address, vlan}, Binding{.mac = mac, .port = port, .is_fixed = true});
}

void BindingTable::forget_port(PortId port) noexcept {
    std::erase_if(fixed_, [&](const auto& entry) { return entry.second.port == port; });
    for (Set& set : sets_) {
        for (Entry& entry : set)
            if (entry.used && entry.binding.port == port) release(entry);
    }
}

void BindingTable::learn(VlanId vlan, const IpAddress& address, const Binding& binding,
                         Instant now) noexcept {
    const Key key{address, vlan};
    if (binding.port.value() >= sizes_.size() || fixed_.contains(key)) return;
    Set& set = set_of(key);
    const auto known =
        std::ranges::find_if(set, [&](const Entry& entry) { return entry.used && entry.key == key; });
    if (known != set.end()) return change(*known, binding, now);
    Entry* place = place_for(set, binding.port, now);
    if (place == nullptr) return;
    if (place->used) release(*place);
    *place = {.key = key, .binding = binding, .last_seen = now, .used = true};
    ++sizes_[binding.port.value()];
}

// A port that has all that it may have cannot get another's.
void BindingTable::change(Entry& entry, const Binding& binding, Instant now) noexcept {
    if (entry.binding.port != binding.port) {
        release(entry);
        if (is_full(binding.port)) return;
        entry.used = true;
        ++sizes_[binding.port.value()];
    }
    entry.binding = binding;
    entry.last_seen = now;
}

BindingTable::Entry* BindingTable::place_for(Set& set, PortId port, Instant now) noexcept {
    Entry* own = nullptr;     // the oldest
    Entry* free = nullptr;    // or aged
    Entry* victim = nullptr;  // the oldest of the port with the most
    for (Entry& entry : set) {
        const PortId whose = entry.binding.port;
        const bool is_own = entry.used && whose == port;
        if (is_own && (own == nullptr || entry.last_seen < own->last_seen)) own = &entry;
        if (!entry.used || is_aged(entry, now)) {
            free = &entry;
            continue;
        }
        const std::uint32_t most = victim == nullptr ? 0 : size(victim->binding.port);
        const bool is_older = victim != nullptr && size(whose) == most && entry.last_seen < victim->last_seen;
        if (size(whose) > most || is_older) victim = &entry;
    }
    if (is_full(port)) return own;
    if (free != nullptr) return free;
    return victim != nullptr && size(victim->binding.port) > size(port) ? victim : own;
}

void BindingTable::release(Entry& entry) noexcept {
    entry.used = false;
    --sizes_[entry.binding.port.value()];
}

std::optional<BindingTable::Binding> BindingTable::lookup(VlanId vlan, const IpAddress& address,
                                                          Instant now) const noexcept {
    const Key key{address, vlan};
    if (const auto fixed = fixed_.find(key); fixed != fixed_.end()) return fixed->second;
    for (const Entry& entry : set_of(key))
        if (entry.used && entry.key == key && !is_aged(entry, now)) return entry.binding;
    return std::nullopt;
}

void BindingTable::expire(Instant now) noexcept {
    for (std::size_t left = std::min(sets_per_expiry, sets_.size()); left > 0; --left) {
        if (expire_next_ >= sets_.size()) expire_next_ = 0;
        for (Entry& entry : sets_[expire_next_])
            if (entry.used && is_aged(entry, now)) release(entry);
        ++expire_next_;
    }
}

}  // namespace weft
