// Which MAC address an IP address of the leg's bridge has (the neighbor cache of RFC 4861 section 5.1, for
// ARP as well), and the datagrams that wait to learn it.
//
//   add_incomplete() --> incomplete --resolve(confirmed)--> reachable
//                          |    ^                             |    ^
//   resolve(unconfirmed)   |    | make_incomplete()       age |    | resolve(confirmed)
//                          v    |                             v    |
//   add_stale() -------> stale ------------------------------ stale
//
// A stale address is still used, while its owner asks whether it is still true; unanswered, it becomes
// incomplete.
//
// Memory is fixed at construction: entries, hash chains and waiting slots. A host that scans the network
// makes incomplete entries, one that forges requests makes stale ones; neither may push out what is in use.
// In a full table a new incomplete entry takes the place of the oldest incomplete one for which nothing
// waits, or else of the stale one not used for longest; a new stale entry only that of a stale one. A
// reachable entry is never given up. The entries of each state form a list in order of age, so every
// operation is O(1), but for a look past the incomplete entries for which something waits, of which there are
// at most `parked`: a number that should be far below `neighbors`.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "vswitch/address.h"
#include "vswitch/generations.h"
#include "vswitch/id.h"
#include "vswitch/packet.h"

namespace weft {

struct NeighborLimits {
    std::uint32_t neighbors = 4096;
    std::uint32_t parked_per_neighbor = 4;
    std::uint32_t parked = 64;  // of the packet pool, over all neighbors
    Duration reachable = std::chrono::seconds{30};
    Duration retransmit = std::chrono::seconds{1};
    std::uint8_t attempts = 3;
};

class NeighborTable {
  public:
    using Index = std::uint32_t;
    static constexpr Index none = 0xFFFFFFFF;

    enum class State : std::uint8_t { incomplete, stale, reachable };

    struct Entry {
        IpAddress address;
        MacAddress mac;  // all but incomplete
        State state = State::incomplete;
        std::uint8_t attempts = 0;  // requests that were not answered
        Instant requested{};        // the last of them
        Instant confirmed{};        // reachable: since when

      private:
        friend class NeighborTable;
        Index chain = none;  // next in the hash bucket, or in the free list
        Index older = none;  // in the list of its state
        Index newer = none;
        Index first_parked = none;
        Index last_parked = none;
        std::uint32_t parked = 0;
    };

    // Whenever a MAC address that was in use does not hold any more, `generation` is raised.
    explicit NeighborTable(const NeighborLimits& limits, Generations* generations = nullptr,
                           Generations::Index generation = Generations::never);

    // nullptr if there is none. What was reachable too long ago becomes stale first.
    [[nodiscard]] Entry* find(const IpAddress& address, Instant now) noexcept;

    // A new incomplete entry; nullptr if there is no room.
    Entry* add_incomplete(const IpAddress& address, Instant now) noexcept;

    // A new stale entry for a station that spoke to us first; nullptr if there is no room.
    Entry* add_stale(const IpAddress& address, const MacAddress& mac, Instant now) noexcept;

    // The entry's MAC address is known, from an answer to us (confirmed) or otherwise.
    void resolve(Entry& entry, const MacAddress& mac, bool confirmed, Instant now) noexcept;

    void make_incomplete(Entry& entry) noexcept;

    // Puts a reachable entry in doubt, or says of a stale one that it is in use: the last that will be given
    // up.
    void make_stale(Entry& entry) noexcept { move_to(entry, State::stale); }

    void erase(Entry& entry) noexcept;  // with nothing parked

    // False, with `datagram` untouched, if the entry or the table has no waiting room.
    bool park(Entry& entry, Packet& datagram) noexcept;

    // The oldest datagram that waits for the entry; an empty handle if none does.
    Packet unpark(Entry& entry) noexcept;

    // The oldest datagram that waits, left in its place; nullptr if none does.
    [[nodiscard]] const Packet* first_parked(const Entry& entry) const noexcept;

    // f(Entry&) for all incomplete entries, oldest first; f may resolve or erase the entry that it is given.
    template <class F>
    void for_each_incomplete(F&& f) {
        for (Index at = lists_[0].oldest; at != none;) {
            const Index next = entries_[at].newer;
            f(entries_[at]);
            at = next;
        }
    }

    // f(const Entry&) for all.
    template <class F>
    void for_each(F&& f) const {
        for (const List& list : lists_) {
            for (Index at = list.oldest; at != none; at = entries_[at].newer) f(entries_[at]);
        }
    }

  private:
    struct List {
        Index oldest = none;
        Index newest = none;
    };

    struct Slot {
        Packet packet;
        Index next = none;
    };

    [[nodiscard]] Index index_of(const Entry& entry) const noexcept {
        return static_cast<Index>(&entry - entries_.data());
    }

    List& list(State state) noexcept { return lists_[static_cast<std::size_t>(state)]; }

    Index& bucket(const IpAddress& address) noexcept;
    void unlink(Entry& entry) noexcept;
    void link(Entry& entry, State state) noexcept;

    void move_to(Entry& entry, State state) noexcept {
        unlink(entry);
        link(entry, state);
    }

    void gave_up(const Entry& entry) noexcept;
    void expire(Instant now) noexcept;
    bool give_up_incomplete() noexcept;
    bool give_up_stale() noexcept;
    Entry* add(const IpAddress& address, State state) noexcept;

    NeighborLimits limits_;
    Generations* generations_;
    Generations::Index generation_;
    std::vector<Entry> entries_;  // grows, within its reserve, up to limits_.neighbors
    std::vector<Index> buckets_;
    std::array<List, 3> lists_;
    std::vector<Slot> slots_;
    Index free_entries_ = none;
    Index free_slots_ = none;
};

}  // namespace weft
