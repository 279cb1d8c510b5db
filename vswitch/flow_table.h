// The flows that a worker has seen: what was decided about each, in which state it is, what it has carried.
// One entry is one direction: what comes by a port with the same MAC addresses, IP addresses, protocol and
// TCP or UDP ports, or ICMP identifier. The other direction is another entry, and the two know each other.
//
//   new           one direction was seen, or a TCP connection is being opened
//   established   both were, and neither is in a TCP handshake any more
//   closing       TCP: FIN or RST went by, in either direction
//
// A verdict is remembered with the stamp of what it was made from (generations.h), and for as long as its
// maker says, a second at most: after that the bridge has to learn again that the sender is there. Until then
// a packet of the flow need not be decided about again. So a remembered verdict is what the bridge would say,
// and no table has to be told of another.
//
// The attack. Whoever can send can make flows. The table has a fixed size; when it is full, a flow takes
// another's place only with its second packet: of the first a short mark is kept, in a table of marks, so
// that floods of single packets displace nobody. The place is that of a flow that was quiet for longest, near
// enough (a clock hand passes over the entries and spares those that were seen since it last came by). The
// hash is no secret: of those that share a set, one more than it has ways takes the place of the quietest.
//
// The structure. A lookup that finds nothing reads one cache line, the set; one that finds reads two of the
// entry as well.
//
//   sets_      | hash entry | hash entry | ... 8 ways |      four times as many ways as entries
//   entries_   what is known of a flow, in the order in which they came
//
// Offload. An established flow whose verdict says that others can repeat it is given to a FlowOffload, in the
// slot of its entry, once so many packets of it have come (short flows never pay for that), and at most so
// many flows a second. Its packets do not come here then, but are counted here all the same: sweep() reads
// what was carried and says it. It comes back with its first FIN, RST or SYN, when another verdict is made,
// or when it loses its place. A routed flow is known here by the datagrams that the router sees (in by a leg
// or a TUN); it is given away whole, from the device where its packets come in to the one where they go out.
//
// Memory is asked for at construction and touched when used. Owner: one worker. `now` never goes backwards.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <sys/mman.h>

#include "vswitch/flow.h"
#include "vswitch/flow_offload.h"
#include "vswitch/generations.h"
#include "vswitch/id.h"
#include "vswitch/token_bucket.h"

namespace weft {

struct Flow {
    enum class State : std::uint8_t { fresh, established, closing };

    FlowKey key;
    PortId in;
    PortId out = no_port;
    BridgeId bridge;  // Flow::routed: none
    State state = State::fresh;
    std::uint64_t packets = 0;  // a super-frame is one, as in the counters of ports
    std::uint64_t bytes = 0;
    std::uint64_t bytes_per_second = 0;  // over the last seconds
    bool offloaded = false;
    Instant first_seen;
    Instant last_seen;

    static constexpr BridgeId routed{0xFFFF};
};

std::string_view to_string(Flow::State state) noexcept;  // "new", "established", "closing"

class FlowTable {
  public:
    struct OffloadPolicy {
        std::uint32_t after_packets = 32;  // a multiple of offer_interval
        std::uint32_t per_second = 2000;
    };

    static constexpr std::uint32_t offer_interval = 16;  // packets between two offers of a flow

    struct Limits {
        std::uint32_t flows = 16384;
        Duration idle = std::chrono::seconds{60};  // then a flow is forgotten
    };

    static constexpr std::size_t ways = 8;
    static constexpr Duration rate_interval = std::chrono::seconds{2};

    explicit FlowTable(const Limits& limits);

    // A packet, and by which flow it is looked up.
    struct Item {
        const Classified& what;
        std::span<const std::uint8_t> packet;
        PortId in;
        BridgeId bridge;  // or Flow::routed
        std::uint32_t hash;
    };

    struct Verdict {
        PortId out;
        Generations::Stamp stamp;
        Instant until;  // it need not be decided about again
        std::uint16_t mtu =
            0;  // its packets may be carried past the datapath up to this size; 0: they may not
        std::optional<Vni> vni = std::nullopt;  // of the bridge, between tunnels and ports
    };

    // Nothing is known of fragments, and of what has neither ports nor an identifier.
    [[nodiscard]] static bool follows(const Classified& what) noexcept;
    [[nodiscard]] static std::uint32_t hash_of(const FlowKey& key, PortId in, BridgeId bridge) noexcept;

    // The whole way of a routed flow's packets.
    struct Passage {
        PortId from;         // a device or tunnel, with these addresses if it has any
        MacAddress station;  // who sends them
        MacAddress gateway;  // to which address
        PortId to;           // a device or tunnel
        FlowOffload::Rewrite rewrite;
        std::uint16_t mtu = 0;
        std::uint32_t vni_from = no_vni;  // of the bridges, if it has tunnels
        std::uint32_t vni_to = no_vni;
        Generations::Stamp stamp;

        friend bool operator==(const Passage&, const Passage&) noexcept = default;
    };

    static constexpr std::uint32_t no_vni = max_vni + 1;

    // Two steps of getting an entry into the processor's cache.
    void prefetch_set(std::uint32_t hash) const noexcept {
        __builtin_prefetch(&set(hash));
        if (size_ == limits_.flows) __builtin_prefetch(&marks_[mark(hash)]);
    }

    void prefetch_entry(std::uint32_t hash) const noexcept {
        for (const Way& way : set(hash).ways) {
            if (way.hash != hash || way.index == none) continue;
            __builtin_prefetch(&entry(way.index).key);
            __builtin_prefetch(&entry(way.index).until);
        }
    }

    // Counts the packet for its flow, and returns the port that such packets go to; no_port, and nothing is
    // counted, if that is not known or does not hold any more.
    PortId pass(const Item& item, const Generations& generations, Instant now) noexcept;

    // The verdict on a packet for which pass() knew none.
    void decided(const Item& item, const Verdict& verdict, Instant now) noexcept;

    using Place = std::uint32_t;  // of a flow, until the next call

    [[nodiscard]] bool offloads() const noexcept { return offload_ != nullptr; }

    // A packet that was routed to `out`; no_place: its flow is not known.
    static constexpr Place no_place = 0;
    [[nodiscard]] Place routed(const Item& item, PortId out, Instant now) noexcept;

    [[nodiscard]] const FlowKey& key_of(Place place) const noexcept { return entry(place).key; }

    // It went this way, which others can repeat.
    void went(Place place, const Passage& passage, const Generations& generations, Instant now) noexcept;

    // From now on flows are offered to it; nullptr: to nobody. What the one before carries is taken back. Its
    // slots are as many as the table's flows.
    void offload_to(FlowOffload* offload, const OffloadPolicy& policy) noexcept;

    // Since the last sweep, by a FlowOffload.
    struct Carried {
        FlowKey key;
        PortId in;
        PortId out;
        BridgeId bridge;
        std::uint64_t packets = 0;
        std::uint64_t bytes = 0;
        std::optional<Passage> passage = std::nullopt;  // of a routed flow
    };

    // The flow that is carried in this slot by the action of this tag, if it is and may be: without counts.
    [[nodiscard]] std::optional<Carried> offloaded(std::uint32_t slot, std::uint32_t tag,
                                                   const Generations& generations) const noexcept;

    // Takes it back.
    void withdraw_slot(std::uint32_t slot) noexcept { withdraw(slot + 1); }

    struct OffloadCounts {
        std::uint32_t flows = 0;  // now
        std::uint64_t inserted = 0;
        std::uint64_t withdrawn = 0;
        std::uint64_t put_off = 0;  // by the limit a second
    };

    [[nodiscard]] const OffloadCounts& offload_counts() const noexcept { return offload_counts_; }

    // Forgets idle flows, takes back what is carried and does not hold any more (another worker may have the
    // flow by now), and measures rates: all of the table in rate_interval, in as many parts as it is called.
    // Returns what was carried of the flows in this part, until the next call.
    std::span<const Carried> sweep(const Generations& generations, Instant now) noexcept;

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

    [[nodiscard]] std::uint32_t limit() const noexcept { return limits_.flows; }

    [[nodiscard]] std::uint64_t evicted() const noexcept { return evicted_; }

    // The busiest ones, at most so many; for display, allocates.
    [[nodiscard]] std::vector<Flow> busiest(std::size_t count) const;

  private:
    using Index = std::uint32_t;
    static constexpr Index none = 0;  // entries are counted from 1

    // Two cache lines for each packet, one for the rest, one for what is routed.
    struct alignas(64) Entry {
        FlowKey key;
        PortId in;
        PortId out = no_port;
        BridgeId bridge;
        std::uint16_t mtu = 0;  // 0: not to be offloaded

        alignas(64) Instant until;
        Generations::Stamp stamp;
        std::uint64_t packets = 0;
        std::uint64_t bytes = 0;
        Instant last_seen;
        Index reverse = none;
        bool recent : 1 = false;   // since the clock hand came by
        bool opening : 1 = false;  // TCP: nothing but SYN was seen
        bool closing : 1 = false;
        bool used : 1 = false;
        bool offloaded : 1 = false;

        alignas(64) Instant first_seen;
        Instant measured;
        std::uint64_t measured_bytes = 0;
        std::uint64_t bytes_per_second = 0;
        std::uint64_t carried_packets = 0;  // of what the offload has told
        std::uint64_t carried_bytes = 0;
        std::uint32_t tag = 0;
        std::uint32_t hash = 0;
        Index next_free = none;
        std::uint32_t vni = no_vni;

        Passage passage{};
    };

    static_assert(sizeof(Entry) == 4 * 64);

    [[nodiscard]] Entry& entry(Index index) noexcept { return entries_[index - 1]; }

    [[nodiscard]] const Entry& entry(Index index) const noexcept { return entries_[index - 1]; }

    [[nodiscard]] std::size_t mark(std::uint32_t hash) const noexcept { return hash & (marks_.size() - 1); }

    struct Way {
        std::uint32_t hash = 0;
        Index index = none;
    };

    struct alignas(64) Set {
        std::array<Way, FlowTable::ways> ways;
    };

    struct Unmap {
        std::size_t count = 0;

        void operator()(Set* sets) const noexcept { ::munmap(sets, count * sizeof(Set)); }
    };

    static Set* zeroed(std::size_t count);

    [[nodiscard]] Set& set(std::uint32_t hash) noexcept { return sets_[hash & (set_count_ - 1)]; }

    [[nodiscard]] const Set& set(std::uint32_t hash) const noexcept { return sets_[hash & (set_count_ - 1)]; }

    [[nodiscard]] Index find(const FlowKey& key, PortId in, BridgeId bridge, std::uint32_t hash) noexcept;
    [[nodiscard]] Index make(const Item& item, Instant now) noexcept;
    void turn(Index index, PortId out) noexcept;
    [[nodiscard]] Index find_reverse(const Entry& forward) noexcept;
    [[nodiscard]] bool worth_a_place(std::uint32_t hash) noexcept;
    [[nodiscard]] Index take_free(std::uint32_t hash) noexcept;
    [[nodiscard]] Index quietest() noexcept;
    [[nodiscard]] Way& free_way(std::uint32_t hash) noexcept;
    void erase(Index index) noexcept;
    static void count(Entry& counted, const Item& item, Instant now) noexcept;
    void follow_tcp(Index index, const Item& item) noexcept;
    void offer(Index index, const Generations& generations, Instant now) noexcept;
    [[nodiscard]] bool give(Index index, const Generations& generations) noexcept;
    void withdraw(Index index) noexcept;
    void absorb(Index index) noexcept;

    [[nodiscard]] static std::optional<Passage> passage_of(const Entry& flow) noexcept {
        return flow.bridge == Flow::routed ? std::optional{flow.passage} : std::nullopt;
    }

    static void measure(Entry& measured, Instant now) noexcept;
    [[nodiscard]] Flow::State state_of(const Entry& entry) const noexcept;
    [[nodiscard]] Flow shown(Index index) const noexcept;

    Limits limits_;
    std::size_t set_count_;               // a power of two
    std::unique_ptr<Set[], Unmap> sets_;  // NOLINT(*-avoid-c-arrays): zeros, touched only where used
    std::vector<Entry> entries_;          // grows to limits_.flows, never moves
    std::vector<std::uint16_t> marks_;
    Index free_ = none;
    std::uint32_t size_ = 0;
    std::uint32_t hand_ = 0;
    std::uint32_t sweep_next_ = 0;
    Instant swept_;
    std::uint64_t evicted_ = 0;

    FlowOffload* offload_ = nullptr;
    OffloadPolicy policy_;
    TokenBucket insertions_{1, 1};
    OffloadCounts offload_counts_;
    std::uint32_t next_tag_ = 1;
    std::vector<Carried> carried_;
    std::size_t returned_ = 0;  // of them, by the last sweep
};

}  // namespace weft
