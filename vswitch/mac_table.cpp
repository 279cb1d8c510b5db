#include "vswitch/mac_table.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "vswitch/mix.h"

namespace weft {

namespace {

std::uint64_t key_of(VlanId vlan, const MacAddress& mac) noexcept {
    return std::uint64_t{vlan.value()} << 48U | mac.to_uint64();
}

MacAddress mac_of(std::uint64_t key) noexcept {
    MacAddress mac;
    for (std::size_t i = 0; i < mac.octets.size(); ++i)
        mac.octets[i] = static_cast<std::uint8_t>(key >> (40 - 8 * i));
    return mac;
}

}  // namespace

MacTable::MacTable(const Limits& limits, Generations* generations)
    : limits_{.entries = std::max(limits.entries, 1U),
              .entries_per_port = std::max(limits.entries_per_port, 1U),
              .aging = limits.aging},
      generations_(generations),
      refresh_interval_(std::min<Duration>(std::chrono::seconds{1}, limits.aging / 8)),
      buckets_(std::bit_ceil(std::size_t{limits_.entries} * 2), none),
      entries_(limits_.entries) {
    for (Index i = limits_.entries; i-- > 0;) entries_[i].next = std::exchange(free_, i);
}

void MacTable::set_aging(Duration aging) noexcept {
    limits_.aging = aging;
    refresh_interval_ = std::min<Duration>(std::chrono::seconds{1}, aging / 8);
}

void MacTable::add_port(PortId port) {
    if (port.value() >= ports_.size()) ports_.resize(port.value() + std::size_t{1});
}

PortId MacTable::lookup(VlanId vlan, const MacAddress& mac, Instant now) const noexcept {
    const Index index = find(key_of(vlan, mac));
    return index == none || is_aged(entries_[index], now) ? no_port : entries_[index].port;
}

bool MacTable::learn(VlanId vlan, const MacAddress& mac, PortId port, Instant now) noexcept {
    if (port.value() >= ports_.size()) return false;
    const std::uint64_t key = key_of(vlan, mac);
    const Index index = find(key);
    if (index == none) {
        insert(key, port, now);
        return true;
    }
    const Entry& entry = entries_[index];
    const bool moved = entry.port != port;
    if (!moved && now - entry.last_seen < refresh_interval_) return false;
    const bool later = quarter_of(entry.last_seen) != quarter_of(now);
    refresh(index, port, now);
    return moved || later;
}

std::int64_t MacTable::quarter_of(Instant when) const noexcept {
    return when.time_since_epoch() / std::max(limits_.aging / 4, Duration{1});
}

void MacTable::prefetch_bucket(VlanId vlan, const MacAddress& mac) const noexcept {
    __builtin_prefetch(&buckets_[bucket_of(key_of(vlan, mac))]);
}

void MacTable::prefetch_entry(VlanId vlan, const MacAddress& mac) const noexcept {
    const Index index = buckets_[bucket_of(key_of(vlan, mac))];
    if (index != none) __builtin_prefetch(&entries_[index]);
}

void MacTable::expire(Instant now) noexcept {
    std::uint32_t budget = expired_per_call;
    for (std::size_t visited = 0; visited < ports_.size(); ++visited) {
        if (expire_next_ >= ports_.size()) expire_next_ = 0;
        const PortRecord& record = ports_[expire_next_];
        for (; record.oldest != none && is_aged(entries_[record.oldest], now); --budget) {
            if (budget == 0) return;
            erase(record.oldest);
        }
        ++expire_next_;
    }
}

void MacTable::forget_port(PortId port) noexcept {
    if (port.value() >= ports_.size()) return;
    const PortRecord& record = ports_[port.value()];
    while (record.oldest != none) erase(record.oldest);
}

std::uint32_t MacTable::size(PortId port) const noexcept {
    return port.value() < ports_.size() ? ports_[port.value()].size : 0;
}

std::vector<MacEntry> MacTable::entries() const {
    std::vector<MacEntry> result;
    result.reserve(size_);
    for (const PortRecord& record : ports_) {
        for (Index i = record.oldest; i != none; i = entries_[i].newer) {
            const Entry& entry = entries_[i];
            const VlanId vlan{static_cast<std::uint16_t>(entry.key >> 48U)};
            result.push_back({mac_of(entry.key), vlan, entry.port, entry.last_seen});
        }
    }
    return result;
}

std::size_t MacTable::bucket_of(std::uint64_t key) const noexcept {
    return mix(key) & (buckets_.size() - 1);
}

MacTable::Index MacTable::find(std::uint64_t key) const noexcept {
    Index index = buckets_[bucket_of(key)];
    while (index != none && entries_[index].key != key) index = entries_[index].next;
    return index;
}

bool MacTable::is_aged(const Entry& entry, Instant now) const noexcept {
    return now - entry.last_seen > limits_.aging;
}

void MacTable::refresh(Index index, PortId port, Instant now) noexcept {
    const bool moved = entries_[index].port != port;
    if (moved) departed(entries_[index].port);
    remove_from_port(index);
    if (moved && ports_[port.value()].size >= limits_.entries_per_port) erase(ports_[port.value()].oldest);
    append_to_port(index, port);
    entries_[index].last_seen = now;
}

void MacTable::insert(std::uint64_t key, PortId port, Instant now) noexcept {
    make_room(key, port);
    const Index index = free_;
    Entry& entry = entries_[index];
    free_ = entry.next;
    entry.key = key;
    entry.last_seen = now;
    entry.next = std::exchange(buckets_[bucket_of(key)], index);
    append_to_port(index, port);
    ++size_;
}

void MacTable::erase(Index index) noexcept {
    Entry& entry = entries_[index];
    Index* link = &buckets_[bucket_of(entry.key)];
    while (*link != index) link = &entries_[*link].next;
    *link = entry.next;
    departed(entry.port);
    remove_from_port(index);
    entry.next = std::exchange(free_, index);
    --size_;
}

// The three rules of the header, the narrowest first: what one evicts may spare the next.
void MacTable::make_room(std::uint64_t key, PortId port) noexcept {
    if (chain_length(key) >= max_chain) erase(victim_in_chain(key));
    const PortRecord& own = ports_[port.value()];
    if (own.size >= limits_.entries_per_port) erase(own.oldest);
    if (free_ == none) erase(oldest_of_fullest_port(port));
}

std::uint32_t MacTable::chain_length(std::uint64_t key) const noexcept {
    std::uint32_t length = 0;
    for (Index i = buckets_[bucket_of(key)]; i != none; i = entries_[i].next) ++length;
    return length;
}

MacTable::Index MacTable::victim_in_chain(std::uint64_t key) const noexcept {
    Index victim = buckets_[bucket_of(key)];
    for (Index i = entries_[victim].next; i != none; i = entries_[i].next) {
        const auto size = ports_[entries_[i].port.value()].size;
        const auto most = ports_[entries_[victim].port.value()].size;
        if (size > most || (size == most && entries_[i].last_seen < entries_[victim].last_seen)) victim = i;
    }
    return victim;
}

// Among equals the favored one, which wants to learn, pays for it.
MacTable::Index MacTable::oldest_of_fullest_port(PortId favored) const noexcept {
    const PortRecord* fullest = &ports_[favored.value()];
    for (const PortRecord& record : ports_) {
        if (record.size > fullest->size) fullest = &record;
    }
    return fullest->oldest;
}

void MacTable::departed(PortId port) noexcept {
    if (generations_ != nullptr) generations_->raise(Generations::of(port));
}

void MacTable::append_to_port(Index index, PortId port) noexcept {
    PortRecord& record = ports_[port.value()];
    Entry& entry = entries_[index];
    entry.port = port;
    entry.newer = none;
    entry.older = std::exchange(record.newest, index);
    (entry.older == none ? record.oldest : entries_[entry.older].newer) = index;
    ++record.size;
}

void MacTable::remove_from_port(Index index) noexcept {
    const Entry& entry = entries_[index];
    PortRecord& record = ports_[entry.port.value()];
    (entry.older == none ? record.oldest : entries_[entry.older].newer) = entry.newer;
    (entry.newer == none ? record.newest : entries_[entry.newer].older) = entry.older;
    --record.size;
}

}  // namespace weft
