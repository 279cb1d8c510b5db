#include "vswitch/flow_table.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <new>
#include <utility>

#include "vswitch/headers.h"
#include "vswitch/mix.h"

namespace weft {

namespace {

constexpr std::uint32_t spared = 64;  // recent entries that the clock hand passes over, at most

FlowKey reversed(const FlowKey& key) noexcept {
    FlowKey back = key;
    std::swap(back.source_mac, back.destination_mac);
    std::swap(back.source, back.destination);
    std::swap(back.source_port, back.destination_port);
    return back;
}

}  // namespace

std::string_view to_string(Flow::State state) noexcept {
    switch (state) {
        case Flow::State::established:
            return "established";
        case Flow::State::closing:
            return "closing";
        default:
            return "new";
    }
}

// Large, so it comes page by page as it is touched; a set begins with a cache line.
FlowTable::Set* FlowTable::zeroed(std::size_t count) {
    void* const memory =
        ::mmap(nullptr, count * sizeof(Set), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    return static_cast<Set*>(memory);
}

FlowTable::FlowTable(const Limits& limits)
    : limits_{.flows = std::max(limits.flows, 1U), .idle = limits.idle},
      set_count_(std::bit_ceil(std::max<std::size_t>(4 * std::size_t{limits_.flows} / ways, 1))),
      sets_(zeroed(set_count_), Unmap{set_count_}),
      marks_(std::bit_ceil(limits_.flows), 0) {
    entries_.reserve(limits_.flows);
}

bool FlowTable::follows(const Classified& what) noexcept {
    return what.transport != Classified::absent && !what.is_fragment &&
           (what.flow.source_port != 0 || what.flow.destination_port != 0);
}

std::uint32_t FlowTable::hash_of(const FlowKey& key, PortId in, BridgeId bridge) noexcept {
    const std::uint64_t where = std::uint64_t{in.value()} << 16U | bridge.value();
    return static_cast<std::uint32_t>(mix(hash(key), where));
}

FlowTable::Index FlowTable::find(const FlowKey& key, PortId in, BridgeId bridge,
                                 std::uint32_t hash) noexcept {
    for (const Way& way : set(hash).ways) {
        if (way.hash != hash || way.index == none) continue;
        const Entry& found = entry(way.index);
        if (found.key == key && found.in == in && found.bridge == bridge) return way.index;
    }
    return none;
}

PortId FlowTable::pass(const Item& item, const Generations& generations, Instant now) noexcept {
    const Index index = find(item.what.flow, item.in, item.bridge, item.hash);
    if (index == none) return no_port;
    Entry& found = entry(index);
    if (now >= found.until || !generations.holds(found.stamp)) return no_port;
    count(found, item, now);
    if (found.key.protocol == ip_protocol::tcp) follow_tcp(index, item);
    if (found.mtu != 0 && found.packets % offer_interval == 0) offer(index, generations, now);
    return found.out;
}

void FlowTable::decided(const Item& item, const Verdict& verdict, Instant now) noexcept {
    Index index = find(item.what.flow, item.in, item.bridge, item.hash);
    if (index == none) index = make(item, now);
    if (index == none) return;
    Entry& flow = entry(index);
    const bool is_same = flow.stamp == verdict.stamp && flow.out == verdict.out && flow.mtu == verdict.mtu;
    if (flow.offloaded && !is_same) withdraw(index);
    flow.stamp = verdict.stamp;
    flow.until = verdict.until;
    flow.mtu = offload_ == nullptr ? std::uint16_t{0} : verdict.mtu;
    flow.vni = verdict.vni ? verdict.vni->value() : no_vni;
    count(flow, item, now);
    if (flow.out != verdict.out) turn(index, verdict.out);
    if (flow.key.protocol == ip_protocol::tcp) follow_tcp(index, item);
}

// It is decided about anew each time.
FlowTable::Place FlowTable::routed(const Item& item, PortId out, Instant now) noexcept {
    Index index = find(item.what.flow, item.in, item.bridge, item.hash);
    if (index == none) index = make(item, now);
    if (index == none) return no_place;
    Entry& flow = entry(index);
    count(flow, item, now);
    if (flow.out != out) {
        withdraw(index);
        turn(index, out);
    }
    if (flow.key.protocol == ip_protocol::tcp) follow_tcp(index, item);
    return index;
}

void FlowTable::went(Place place, const Passage& passage, const Generations& generations,
                     Instant now) noexcept {
    if (offload_ == nullptr) return;
    Entry& flow = entry(place);
    if (flow.passage != passage) {
        withdraw(place);
        flow.passage = passage;
        flow.stamp = passage.stamp;
        flow.mtu = passage.mtu;
    }
    if (flow.mtu != 0 && flow.packets % offer_interval == 0) offer(place, generations, now);
}

// From now on the flow goes there, and so its answers come from there. If these are seen later, they will
// find this one.
void FlowTable::turn(Index index, PortId out) noexcept {
    Entry& flow = entry(index);
    if (flow.reverse != none) entry(std::exchange(flow.reverse, none)).reverse = none;
    flow.out = out;
    flow.reverse = find_reverse(flow);
    if (flow.reverse != none) entry(flow.reverse).reverse = index;
}

// None if it has to be seen again first.
FlowTable::Index FlowTable::make(const Item& item, Instant now) noexcept {
    if (size_ == limits_.flows && !worth_a_place(item.hash)) return none;
    const Index index = take_free(item.hash);
    Entry& made = entry(index);
    made.key = item.what.flow;
    made.in = item.in;
    made.bridge = item.bridge;
    made.opening = made.key.protocol == ip_protocol::tcp;
    made.first_seen = made.measured = now;
    return index;
}

// The flow by which answers come: in by the port where this one goes out, and out by the one where it came
// in.
FlowTable::Index FlowTable::find_reverse(const Entry& forward) noexcept {
    const FlowKey key = reversed(forward.key);
    const Index index = find(key, forward.out, forward.bridge, hash_of(key, forward.out, forward.bridge));
    return index != none && entry(index).out == forward.in && entry(index).reverse == none ? index : none;
}

void FlowTable::count(Entry& counted, const Item& item, Instant now) noexcept {
    counted.packets += 1;
    counted.bytes += item.packet.size();
    counted.last_seen = now;
    counted.recent = true;
}

void FlowTable::follow_tcp(Index index, const Item& item) noexcept {
    const auto* header = view<TcpHeader>(item.packet, item.what.transport);
    if (header == nullptr) return;
    Entry& flow = entry(index);
    const std::uint8_t flags = header->flags;
    flow.opening = (flags & TcpHeader::syn) != 0;
    if (flow.opening) flow.closing = false;
    if ((flags & (TcpHeader::fin | TcpHeader::rst)) != 0) flow.closing = true;
    if (!flow.opening && !flow.closing) return;
    withdraw(index);
    if (flow.reverse != none) withdraw(flow.reverse);
}

// ---- Offload -------------------------------------------------------------------------------------

void FlowTable::offload_to(FlowOffload* offload, const OffloadPolicy& policy) noexcept {
    for (Index index = 1; index <= entries_.size(); ++index) {
        withdraw(index);
        entry(index).until = {};
    }
    offload_ = offload;
    policy_ = policy;
    insertions_ = TokenBucket{policy.per_second, policy.per_second};
}

void FlowTable::offer(Index index, const Generations& generations, Instant now) noexcept {
    Entry& flow = entry(index);
    if (flow.offloaded || flow.packets < policy_.after_packets || state_of(flow) != Flow::State::established)
        return;
    if (!insertions_.take(now)) {
        ++offload_counts_.put_off;
        return;
    }
    flow.tag = next_tag_++;
    flow.offloaded = generations.holds(flow.stamp) && give(index, generations);
    if (!flow.offloaded) {
        flow.mtu = 0;  // until it is decided about again
        return;
    }
    flow.carried_packets = 0;
    flow.carried_bytes = 0;
    ++offload_counts_.flows;
    ++offload_counts_.inserted;
}

bool FlowTable::give(Index index, const Generations& generations) noexcept {
    const Entry& flow = entry(index);
    const bool is_routed = flow.bridge == Flow::routed;
    const Passage& passage = flow.passage;
    FlowOffload::Action action{.kind = FlowOffload::Action::Kind::to_port,
                               .out = is_routed ? passage.to : flow.out,
                               .mtu = flow.mtu,
                               .tag = flow.tag};
    for (std::size_t i = 0; i < flow.stamp.on.size(); ++i)
        action.dependencies[i] = {flow.stamp.on[i], generations.number(flow.stamp.on[i])};
    FlowKey key = flow.key;
    const std::uint32_t vni_in = is_routed ? passage.vni_from : flow.vni;
    const std::uint32_t vni_out = is_routed ? passage.vni_to : flow.vni;
    if (vni_in != no_vni) action.vni_in = Vni{vni_in};
    if (vni_out != no_vni) action.vni_out = Vni{vni_out};
    action.source_port = vxlan_source_port(hash(flow.key));
    if (is_routed) {
        key.source_mac = passage.station;
        key.destination_mac = passage.gateway;
        action.rewrite = passage.rewrite;
    }
    return offload_->insert(index - 1, key, is_routed ? passage.from : flow.in, action);
}

void FlowTable::withdraw(Index index) noexcept {
    Entry& flow = entry(index);
    if (!flow.offloaded) return;
    offload_->erase(index - 1);
    absorb(index);
    flow.offloaded = false;
    --offload_counts_.flows;
    ++offload_counts_.withdrawn;
}

// What was carried since it was asked last.
void FlowTable::absorb(Index index) noexcept {
    Entry& flow = entry(index);
    const FlowOffload::Totals totals = offload_->read(index - 1);
    const std::uint64_t packets = totals.packets - std::exchange(flow.carried_packets, totals.packets);
    const std::uint64_t bytes = totals.bytes - std::exchange(flow.carried_bytes, totals.bytes);
    if (packets == 0) return;
    flow.packets += packets;
    flow.bytes += bytes;
    flow.last_seen = std::max(flow.last_seen, totals.last_seen);
    flow.recent = true;
    carried_.push_back({flow.key, flow.in, flow.out, flow.bridge, packets, bytes, passage_of(flow)});
}

std::optional<FlowTable::Carried> FlowTable::offloaded(std::uint32_t slot, std::uint32_t tag,
                                                       const Generations& generations) const noexcept {
    if (slot >= entries_.size()) return std::nullopt;
    const Entry& found = entries_[slot];
    if (!found.offloaded || found.tag != tag || !generations.holds(found.stamp)) return std::nullopt;
    return Carried{.key = found.key,
                   .in = found.in,
                   .out = found.out,
                   .bridge = found.bridge,
                   .passage = passage_of(found)};
}

// ---- Places in a full table ----------------------------------------------------------------------

// Sixteen bits of the hash that do not choose the mark.
bool FlowTable::worth_a_place(std::uint32_t hash) noexcept {
    const auto tag = static_cast<std::uint16_t>(mix(hash) | 1U);
    return std::exchange(marks_[mark(hash)], tag) == tag;
}

FlowTable::Index FlowTable::take_free(std::uint32_t hash) noexcept {
    Way& way = free_way(hash);
    if (free_ == none && entries_.size() == limits_.flows) {
        erase(quietest());
        ++evicted_;
    }
    Index index = free_;
    if (index == none) {
        entries_.emplace_back();
        index = static_cast<Index>(entries_.size());
    } else {
        free_ = entry(index).next_free;
        entry(index) = Entry{};
    }
    Entry& taken = entry(index);
    taken.used = true;
    taken.hash = hash;
    way = {hash, index};
    ++size_;
    return index;
}

FlowTable::Index FlowTable::quietest() noexcept {
    for (std::uint32_t passed = 0;; ++passed) {
        const std::uint32_t at = hand_;
        hand_ = (hand_ + 1) % static_cast<std::uint32_t>(entries_.size());
        Entry& candidate = entries_[at];
        const bool was_recent = candidate.recent;
        candidate.recent = false;
        if (candidate.used && (!was_recent || passed >= spared)) return at + 1;
    }
}

FlowTable::Way& FlowTable::free_way(std::uint32_t hash) noexcept {
    const auto last_seen = [this](const Way& way) {
        return way.index == none ? Instant::min() : entry(way.index).last_seen;
    };
    Way& way = *std::ranges::min_element(set(hash).ways, {}, last_seen);
    if (way.index != none) {
        erase(way.index);
        ++evicted_;
    }
    return way;
}

void FlowTable::erase(Index index) noexcept {
    withdraw(index);
    Entry& erased = entry(index);
    for (Way& way : set(erased.hash).ways)
        if (way.index == index) way = {};
    if (erased.reverse != none) entry(erased.reverse).reverse = none;
    erased.used = false;
    erased.next_free = std::exchange(free_, index);
    --size_;
}

// ---- Time, and what is shown ----------------------------------------------------------------------

std::span<const FlowTable::Carried> FlowTable::sweep(const Generations& generations, Instant now) noexcept {
    carried_.erase(carried_.begin(), carried_.begin() + static_cast<std::ptrdiff_t>(returned_));
    const std::chrono::duration<double> since =
        std::min<Duration>(now - std::exchange(swept_, now), rate_interval);
    const double part = since / std::chrono::duration<double>(rate_interval);
    auto left = static_cast<std::size_t>(std::ceil(part * static_cast<double>(entries_.size())));
    for (; left > 0; --left) {
        if (sweep_next_ >= entries_.size()) sweep_next_ = 0;
        const Index index = ++sweep_next_;
        Entry& swept = entry(index);
        if (!swept.used) continue;
        if (swept.offloaded) generations.holds(swept.stamp) ? absorb(index) : withdraw(index);
        if (now - swept.last_seen > limits_.idle) {
            erase(index);
        } else {
            measure(swept, now);
        }
    }
    returned_ = carried_.size();
    return carried_;
}

void FlowTable::measure(Entry& measured, Instant now) noexcept {
    const std::chrono::duration<double> span = now - measured.measured;
    if (span < rate_interval / 2) return;
    measured.bytes_per_second = static_cast<std::uint64_t>(
        static_cast<double>(measured.bytes - measured.measured_bytes) / span.count());
    measured.measured = now;
    measured.measured_bytes = measured.bytes;
}

std::vector<Flow> FlowTable::busiest(std::size_t count) const {
    std::vector<Index> used;
    used.reserve(size_);
    for (Index index = 1; index <= entries_.size(); ++index)
        if (entry(index).used) used.push_back(index);
    count = std::min(count, used.size());
    const auto rank = [this](Index index) {
        return std::pair{entry(index).bytes_per_second, entry(index).last_seen};
    };
    std::ranges::partial_sort(used, used.begin() + static_cast<std::ptrdiff_t>(count), std::greater{}, rank);
    std::vector<Flow> flows;
    flows.reserve(count);
    for (const Index index : std::span{used}.first(count)) flows.push_back(shown(index));
    return flows;
}

Flow::State FlowTable::state_of(const Entry& flow) const noexcept {
    const Entry* back = flow.reverse == none ? nullptr : &entry(flow.reverse);
    if (flow.closing || (back != nullptr && back->closing)) return Flow::State::closing;
    return back != nullptr && !flow.opening && !back->opening ? Flow::State::established : Flow::State::fresh;
}

Flow FlowTable::shown(Index index) const noexcept {
    const Entry& known = entry(index);
    Flow flow{.key = known.key,
              .in = known.in,
              .out = known.out,
              .bridge = known.bridge,
              .state = state_of(known),
              .packets = known.packets,
              .bytes = known.bytes,
              .bytes_per_second = known.bytes_per_second,
              .offloaded = known.offloaded,
              .first_seen = known.first_seen,
              .last_seen = known.last_seen};
    if (!known.offloaded) return flow;
    const FlowOffload::Totals totals = offload_->read(index - 1);
    flow.packets += totals.packets - known.carried_packets;
    flow.bytes += totals.bytes - known.carried_bytes;
    flow.last_seen = std::max(flow.last_seen, totals.last_seen);
    return flow;
}

}  // namespace weft
