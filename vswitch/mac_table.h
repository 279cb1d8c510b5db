// Where the stations are: which port a MAC address was last seen on, within its VLAN. The table is the part
// of a bridge that strangers write to: each frame with a new source address makes an entry. So it is built
// for the attack first.
//
// The attack. A station sends frames from ever new source addresses (`macof` does 10^5 a second). If that
// fills the table, frames to everybody are flooded, and the attacker sees them. Three rules stand against it:
//   1. A port holds at most `entries_per_port` entries. One more evicts that port's own oldest.
//   2. When the whole table is full, the port with the most entries loses its oldest. A flooding port soon is
//   that
//      port, whatever the others do, and then evicts only itself; stations of ports with fewer entries are
//      safe.
//   3. The hash is no secret, so addresses can be chosen that share a bucket. A chain has at most `max_chain`
//   entries:
//      one more evicts, of those in the chain, the oldest of the port with the most entries. Honest tables do
//      not come near it (at the worst load, of 10^6 entries the longest chain has about 9), and a lookup
//      reads no more than that.
// What no rule can prevent is one station that poses as another; it takes the other's entry, as it would on
// any bridge.
//
// The structure. Everything is allocated at construction, except a port's record (add_port); links are 32-bit
// indices.
//
//   buckets_   hash of (VLAN, MAC) -> first entry of a chain; at least twice as many as entries
//   entries_   32 bytes each, two to a cache line and never across one; free ones are chained as well
//   ports_     by port id: how many entries, and the ends of a list of them, the least recently refreshed
//   first
//
//     buckets_      entries_                                 ports_[3]
//     | ... |     +------------------------------------+     +------------+
//     |  17 | --> | key  last_seen  next older newer 3 | <-- | oldest: 17 |
//     | ... |     +------------------------------------+     | newest: 42 |
//
// A lookup touches two cache lines: the bucket and the entry. A learned station costs nothing more, for an
// entry is refreshed, and moved to the end of its port's list, only when it is a second old (less if the
// ageing time is below 8 s): talking stations write nothing. Hence a port's list is in the order of
// last_seen, and ageing looks at its head only. A station's last_seen may be too early by that second, so it
// may be forgotten that much before its time.
//
// Aged entries are unknown to lookup() at once; expire() frees them later, a bounded number a call. A port
// that a station leaves, to be behind another or forgotten, has its generation raised (generations.h).
//
// Owner: one bridge, one thread. `now` must never go backwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "vswitch/address.h"
#include "vswitch/generations.h"
#include "vswitch/huge_pages.h"
#include "vswitch/id.h"

namespace weft {

struct MacEntry {
    MacAddress mac;
    VlanId vlan;
    PortId port;
    Instant last_seen;
};

class MacTable {
  public:
    struct Limits {
        std::uint32_t entries = 8192;
        std::uint32_t entries_per_port = 4096;
        Duration aging = std::chrono::seconds{300};
    };

    static constexpr std::uint32_t max_chain = 16;
    static constexpr std::uint32_t expired_per_call = 1024;

    explicit MacTable(const Limits& limits, Generations* generations = nullptr);

    // Makes room for the port's record. Stations are learned on known ports only.
    void add_port(PortId port);

    // The station's port, or no_port if it is unknown or aged out.
    [[nodiscard]] PortId lookup(VlanId vlan, const MacAddress& mac, Instant now) const noexcept;

    // Notes that `mac` was seen on `port`; relearns a moved station, evicts fairly when full. True if that is
    // worth telling other tables of the same bridge: the station is new, has moved, or has talked into
    // another quarter of the ageing time, which they cannot know.
    bool learn(VlanId vlan, const MacAddress& mac, PortId port, Instant now) noexcept;

    // Two steps of getting a station into the processor's cache, for whoever has other work to do between
    // them.
    void prefetch_bucket(VlanId vlan, const MacAddress& mac) const noexcept;
    void prefetch_entry(VlanId vlan, const MacAddress& mac) const noexcept;

    void expire(Instant now) noexcept;
    void forget_port(PortId port) noexcept;

    // Aged entries count until expire() has freed them.
    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

    [[nodiscard]] std::uint32_t size(PortId port) const noexcept;

    void set_aging(Duration aging) noexcept;

    // A station that talks has to be learned this often, or it ages.
    [[nodiscard]] Duration refresh_interval() const noexcept { return refresh_interval_; }

    [[nodiscard]] std::vector<MacEntry> entries() const;  // for display; allocates

  private:
    using Index = std::uint32_t;
    static constexpr Index none = 0xFFFF'FFFF;

    struct alignas(32) Entry {
        std::uint64_t key = 0;  // VLAN << 48 | MAC
        Instant last_seen;
        Index next = none;   // in the bucket's chain, or of the free ones
        Index older = none;  // in the port's list
        Index newer = none;
        PortId port;
    };

    static_assert(sizeof(Entry) == 32);

    struct PortRecord {
        std::uint32_t size = 0;
        Index oldest = none;
        Index newest = none;
    };

    [[nodiscard]] std::size_t bucket_of(std::uint64_t key) const noexcept;
    [[nodiscard]] Index find(std::uint64_t key) const noexcept;
    [[nodiscard]] bool is_aged(const Entry& entry, Instant now) const noexcept;

    [[nodiscard]] std::int64_t quarter_of(Instant when) const noexcept;

    void refresh(Index index, PortId port, Instant now) noexcept;
    void insert(std::uint64_t key, PortId port, Instant now) noexcept;
    void erase(Index index) noexcept;

    void make_room(std::uint64_t key, PortId port) noexcept;
    [[nodiscard]] std::uint32_t chain_length(std::uint64_t key) const noexcept;
    [[nodiscard]] Index victim_in_chain(std::uint64_t key) const noexcept;
    [[nodiscard]] Index oldest_of_fullest_port(PortId favored) const noexcept;

    void departed(PortId port) noexcept;
    void append_to_port(Index index, PortId port) noexcept;
    void remove_from_port(Index index) noexcept;

    Limits limits_;
    Generations* generations_;
    Duration refresh_interval_;
    std::vector<Index, HugePageAllocator<Index>> buckets_;
    std::vector<Entry, HugePageAllocator<Entry>> entries_;
    std::vector<PortRecord> ports_;
    Index free_ = none;
    std::uint32_t size_ = 0;
    std::size_t expire_next_ = 0;  // the port that expire() goes on with
};

}  // namespace weft
