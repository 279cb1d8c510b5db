#include "vswitch/neighbor_table.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace weft {

NeighborTable::NeighborTable(const NeighborLimits& limits, Generations* generations,
                             Generations::Index generation)
    : limits_(limits),
      generations_(generations),
      generation_(generation),
      buckets_(std::bit_ceil(std::max(2U, limits.neighbors)), none),
      slots_(limits.parked) {
    entries_.reserve(limits.neighbors);
    for (Index i = 0; i < limits.parked; ++i) slots_[i].next = std::exchange(free_slots_, i);
}

NeighborTable::Entry* NeighborTable::find(const IpAddress& address, Instant now) noexcept {
    expire(now);
    for (Index at = bucket(address); at != none; at = entries_[at].chain) {
        if (entries_[at].address == address) return &entries_[at];
    }
    return nullptr;
}

NeighborTable::Entry* NeighborTable::add_incomplete(const IpAddress& address, Instant now) noexcept {
    expire(now);
    if (free_entries_ == none && entries_.size() == limits_.neighbors && !give_up_incomplete() &&
        !give_up_stale()) {
        return nullptr;
    }
    return add(address, State::incomplete);
}

NeighborTable::Entry* NeighborTable::add_stale(const IpAddress& address, const MacAddress& mac,
                                               Instant now) noexcept {
    expire(now);
    if (free_entries_ == none && entries_.size() == limits_.neighbors && !give_up_stale()) return nullptr;
    Entry* entry = add(address, State::stale);
    entry->mac = mac;
    return entry;
}

void NeighborTable::resolve(Entry& entry, const MacAddress& mac, bool confirmed, Instant now) noexcept {
    if (entry.mac != mac) gave_up(entry);
    entry.mac = mac;
    entry.attempts = 0;
    entry.confirmed = now;
    move_to(entry, confirmed ? State::reachable : State::stale);
}

void NeighborTable::make_incomplete(Entry& entry) noexcept {
    gave_up(entry);
    entry.attempts = 0;
    move_to(entry, State::incomplete);
}

void NeighborTable::gave_up(const Entry& entry) noexcept {
    if (generations_ != nullptr && entry.state != State::incomplete) generations_->raise(generation_);
}

void NeighborTable::erase(Entry& entry) noexcept {
    gave_up(entry);
    const Index at = index_of(entry);
    Index* link_to = &bucket(entry.address);
    while (*link_to != at) link_to = &entries_[*link_to].chain;
    *link_to = entry.chain;
    unlink(entry);
    entry.chain = std::exchange(free_entries_, at);
}

bool NeighborTable::park(Entry& entry, Packet& datagram) noexcept {
    if (entry.parked >= limits_.parked_per_neighbor || free_slots_ == none) return false;
    const Index at = std::exchange(free_slots_, slots_[free_slots_].next);
    slots_[at].packet = std::move(datagram);
    slots_[at].next = none;
    if (entry.first_parked == none) {
        entry.first_parked = at;
    } else {
        slots_[entry.last_parked].next = at;
    }
    entry.last_parked = at;
    ++entry.parked;
    return true;
}

Packet NeighborTable::unpark(Entry& entry) noexcept {
    const Index at = entry.first_parked;
    if (at == none) return {};
    entry.first_parked = std::exchange(slots_[at].next, free_slots_);
    free_slots_ = at;
    --entry.parked;
    return std::move(slots_[at].packet);
}

const Packet* NeighborTable::first_parked(const Entry& entry) const noexcept {
    return entry.first_parked == none ? nullptr : &slots_[entry.first_parked].packet;
}

NeighborTable::Index& NeighborTable::bucket(const IpAddress& address) noexcept {
    return buckets_[std::hash<IpAddress>{}(address) & (buckets_.size() - 1)];
}

void NeighborTable::unlink(Entry& entry) noexcept {
    List& from = list(entry.state);
    (entry.older == none ? from.oldest : entries_[entry.older].newer) = entry.newer;
    (entry.newer == none ? from.newest : entries_[entry.newer].older) = entry.older;
}

void NeighborTable::link(Entry& entry, State state) noexcept {
    const Index at = index_of(entry);
    List& to = list(state);
    entry.state = state;
    entry.newer = none;
    entry.older = std::exchange(to.newest, at);
    (entry.older == none ? to.oldest : entries_[entry.older].newer) = at;
}

// Entries become reachable in order of time, so those that are it no longer stand in front.
void NeighborTable::expire(Instant now) noexcept {
    for (const List& reachable = list(State::reachable); reachable.oldest != none;) {
        Entry& entry = entries_[reachable.oldest];
        if (now - entry.confirmed <= limits_.reachable) break;
        move_to(entry, State::stale);
    }
}

bool NeighborTable::give_up_incomplete() noexcept {
    for (Index at = list(State::incomplete).oldest; at != none; at = entries_[at].newer) {
        if (entries_[at].parked > 0) continue;
        erase(entries_[at]);
        return true;
    }
    return false;
}

bool NeighborTable::give_up_stale() noexcept {
    const Index at = list(State::stale).oldest;
    if (at == none) return false;
    erase(entries_[at]);
    return true;
}

NeighborTable::Entry* NeighborTable::add(const IpAddress& address, State state) noexcept {
    Index at = free_entries_;
    if (at == none) {
        at = static_cast<Index>(entries_.size());
        entries_.emplace_back();
    } else {
        free_entries_ = entries_[at].chain;
        entries_[at] = Entry{};
    }
    Entry& entry = entries_[at];
    entry.address = address;
    entry.chain = std::exchange(bucket(address), at);
    link(entry, state);
    return &entry;
}

}  // namespace weft
