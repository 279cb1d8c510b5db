#include "vswitch/emulation/wire.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "vswitch/emulation/bit_errors.h"
#include "vswitch/emulation/delay_line.h"
#include "vswitch/emulation/jitter.h"
#include "vswitch/emulation/link_queue.h"
#include "vswitch/emulation/loss_process.h"
#include "vswitch/emulation/random_stream.h"
#include "vswitch/emulation/timeline.h"
#include "vswitch/gso.h"
#include "vswitch/headers.h"
#include "vswitch/network_offset.h"

namespace weft {

struct Wire::State {
    State(const Impairment& impairment, const Identity& identity, Instant start);

    [[nodiscard]] bool is_up() const noexcept { return is_switched_on && timeline.current().up; }

    void offer(Packet& packet, Instant now) noexcept;
    void accept(Packet packet, Instant now) noexcept;
    void enqueue(Packet packet, std::uint32_t size, Instant now) noexcept;
    void advance(Instant now) noexcept;
    void serve(Instant until) noexcept;
    void serve_by_rate(Instant until) noexcept;
    void serve_opportunities(Instant until) noexcept;
    [[nodiscard]] std::optional<QueuedPacket> pop(Instant at) noexcept;
    void leave(Packet packet, Instant at) noexcept;
    void put_in_force(Instant now);
    void cut(Instant at) noexcept;

    [[nodiscard]] std::uint32_t size_of(const Packet& packet) const noexcept;
    [[nodiscard]] std::size_t size_above_ethernet(const Packet& packet) const noexcept;
    [[nodiscard]] Duration time_to_send(std::uint32_t size) noexcept;

    [[nodiscard]] bool waits() const noexcept { return in_hand.has_value() || !queue.empty(); }

    LinkLayer link;
    Timeline timeline;
    bool is_switched_on = true;
    bool was_up = true;

    RandomStream loss_random;
    RandomStream error_random;
    RandomStream duplicate_random;
    RandomStream reorder_random;
    RandomStream delay_random;
    LossProcess loss;
    BitErrors bit_errors;
    Chance duplicate;
    Chance reorder;
    Jitter jitter;

    LinkQueue queue;
    std::optional<QueuedPacket> in_hand;  // for which one opportunity was not enough
    std::size_t in_hand_left = 0;         // bytes
    Instant free_at;                      // when the last bit of the packet that is being sent has left
    std::uint64_t remainder = 0;          // of the division by the rate, so that no fraction of a ns is lost
    DelayLine line;
    Instant last_due;  // of those that do not overtake

    std::vector<Packet> segments;
    WireCounters counters;
};

Wire::State::State(const Impairment& impairment, const Identity& identity, Instant start)
    : link(identity.link),
      timeline(impairment, start),
      loss_random(identity.seed, identity.name, "loss"),
      error_random(identity.seed, identity.name, "corrupt"),
      duplicate_random(identity.seed, identity.name, "duplicate"),
      reorder_random(identity.seed, identity.name, "reorder"),
      delay_random(identity.seed, identity.name, "delay"),
      queue(identity.link),
      free_at(start),
      last_due(start) {
    put_in_force(start);
}

// Frames whose tag is not in the bytes had it on the wire.
std::uint32_t Wire::State::size_of(const Packet& packet) const noexcept {
    const std::size_t tag = packet.vlan() == untagged ? 0 : sizeof(VlanTagHeader);
    return static_cast<std::uint32_t>(packet.size() + tag);
}

std::size_t Wire::State::size_above_ethernet(const Packet& packet) const noexcept {
    if (link == LinkLayer::none) return packet.size();
    return packet.size() - std::min(packet.size(), content_of(packet.bytes()).offset);
}

Duration Wire::State::time_to_send(std::uint32_t size) noexcept {
    constexpr std::uint64_t bits = 8;
    constexpr std::uint64_t nanoseconds = 1'000'000'000;
    const auto work = static_cast<unsigned __int128>(size) * bits * nanoseconds + remainder;
    // NOLINTNEXTLINE(bugprone-unchecked-optional-access): asked of wires with a rate
    const std::uint64_t rate = *timeline.current().rate;
    remainder = static_cast<std::uint64_t>(work % rate);
    return Duration{static_cast<std::int64_t>(work / rate)};
}

void Wire::State::offer(Packet& packet, Instant now) noexcept {
    constexpr std::uint16_t behind_ethernet = sizeof(EthernetHeader);
    const bool is_super_frame = packet.offload().gso != Offload::Gso::none;
    if (!is_super_frame || !timeline.current().counts_packets()) return accept(std::move(packet), now);
    const std::size_t network = network_offset(packet.bytes(), link);
    const auto offset = network < packet.size() ? static_cast<std::uint16_t>(network) : behind_ethernet;
    const std::uint32_t size = size_of(packet);
    if (!segment(std::move(packet), offset, segments)) {  // there is no buffer left, or it was none
        ++counters.offered_packets;
        counters.offered_bytes += size;
        ++counters.queue_full;
    }
    for (Packet& part : segments) accept(std::move(part), now);
    segments.clear();
}

void Wire::State::accept(Packet packet, Instant now) noexcept {
    const std::uint32_t size = size_of(packet);
    ++counters.offered_packets;
    counters.offered_bytes += size;
    const Impairment& impairment = timeline.current();
    if (!is_up()) {
        ++counters.cut;
        return;
    }
    if (impairment.mtu && size_above_ethernet(packet) > *impairment.mtu) {
        ++counters.too_big;
        return;
    }
    if (loss.loses(loss_random)) {
        ++counters.lost;
        return;
    }
    if (bit_errors.spoils_next(packet.size(), error_random)) {
        // Or whoever completes it would make a right one of the wrong bytes.
        complete_checksum(packet);
        packet.offload() = Offload{};
        bit_errors.spoil(packet.bytes(), error_random);
        ++counters.corrupted;
    }
    if (duplicate_random.happens(duplicate)) {
        if (Packet copy = packet.clone()) {
            ++counters.duplicated;
            enqueue(std::move(packet), size, now);
            return enqueue(std::move(copy), size, now);
        }
    }
    enqueue(std::move(packet), size, now);
}

void Wire::State::enqueue(Packet packet, std::uint32_t size, Instant now) noexcept {
    const Impairment& impairment = timeline.current();
    const bool has_opportunities = timeline.has_opportunities();
    const bool is_limited = impairment.rate || has_opportunities;
    const bool is_delayed =
        is_limited || impairment.delay.mean > Duration::zero() || impairment.delay.jitter > Duration::zero();
    if (is_delayed && packet.pool_is_low()) {
        ++counters.queue_full;
        return;
    }
    if (!is_limited && !waits()) return leave(std::move(packet), now);
    if (!waits()) {
        if (now >= free_at) {
            free_at = now;
            remainder = 0;
        }
        if (has_opportunities) timeline.skip_to(now);
    }
    queue.push({.packet = std::move(packet), .size = size, .since = now});
    counters.queue_full += queue.take_overflow();
    if (!has_opportunities) serve_by_rate(now);
}

void Wire::State::advance(Instant now) noexcept {
    while (timeline.next_change() <= now) {
        const Instant at = timeline.next_change();
        serve(at);
        timeline.move_to(at);
        put_in_force(at);
    }
    serve(now);
}

void Wire::State::serve(Instant until) noexcept {
    if (!waits()) return;
    if (timeline.has_opportunities()) {
        serve_opportunities(until);
    } else {
        serve_by_rate(until);
    }
}

void Wire::State::serve_by_rate(Instant until) noexcept {
    const auto rate = timeline.current().rate;
    if (rate == std::uint64_t{0}) return;
    while (free_at <= until) {
        auto next = pop(free_at);
        if (!next) return;
        if (rate) free_at += time_to_send(next->size);
        leave(std::move(next->packet), free_at);
    }
}

std::optional<QueuedPacket> Wire::State::pop(Instant at) noexcept {
    AqmCounters aqm;
    auto next = queue.pop(at, aqm);
    counters.aqm_dropped += aqm.dropped;
    counters.aqm_marked += aqm.marked;
    return next;
}

void Wire::State::serve_opportunities(Instant until) noexcept {
    while (waits() && timeline.opportunity() <= until) {
        const Instant at = timeline.opportunity();
        std::size_t left = Timeline::opportunity_bytes;
        while (left > 0) {
            if (!in_hand) {
                in_hand = pop(at);
                if (!in_hand) break;
                in_hand_left = std::max<std::size_t>(1, size_above_ethernet(in_hand->packet));
            }
            const std::size_t sent = std::min(left, in_hand_left);
            left -= sent;
            in_hand_left -= sent;
            if (in_hand_left > 0) break;
            leave(std::move(in_hand->packet), at);
            in_hand.reset();
        }
        free_at = at;
        timeline.next_opportunity();
    }
}

void Wire::State::leave(Packet packet, Instant at) noexcept {
    const DelayModel& delay = timeline.current().delay;
    const Duration drawn = jitter.draw(delay_random);
    if (drawn > Duration::zero() && reorder_random.happens(reorder)) {
        ++counters.reordered;
        return line.push(std::move(packet), at);
    }
    Instant due = at + drawn;
    if (!delay.reorders) {
        due = std::max(due, last_due);
        last_due = due;
    }
    line.push(std::move(packet), due);
}

void Wire::State::put_in_force(Instant now) {
    const Impairment& impairment = timeline.current();
    loss.set(impairment.loss);
    bit_errors.set(impairment.bit_error_rate);
    duplicate = Chance{impairment.duplicate};
    reorder = Chance{impairment.reorder};
    jitter.set(impairment.delay);
    queue.set(impairment.queue);
    counters.queue_full += queue.take_overflow();
    remainder = 0;
    if (was_up && !is_up()) cut(now);
    was_up = is_up();
    if (in_hand && !timeline.has_opportunities()) {
        leave(std::move(in_hand->packet), now);
        in_hand.reset();
    }
    // A link that stood still begins now.
    if (!queue.empty()) free_at = std::max(free_at, now);
}

void Wire::State::cut(Instant at) noexcept {
    counters.cut += queue.clear() + line.cut(at) + (in_hand ? 1 : 0);
    in_hand.reset();
    free_at = at;
    last_due = at;
}

Wire::Wire(const Impairment& impairment, const Identity& identity, Instant start)
    : state_(std::make_unique<State>(impairment, identity, start)) {}

Wire::~Wire() = default;
Wire::Wire(Wire&&) noexcept = default;
Wire& Wire::operator=(Wire&&) noexcept = default;

void Wire::set(const Impairment& impairment, Instant now) {
    state_->advance(now);
    state_->timeline.set(impairment, now);
    state_->put_in_force(now);
    state_->serve(now);
}

void Wire::set_up(bool up, Instant now) {
    state_->advance(now);
    state_->is_switched_on = up;
    state_->put_in_force(now);
}

bool Wire::is_up() const noexcept {
    return state_->is_up();
}

void Wire::offer(std::vector<Packet>& frames, Instant now) noexcept {
    state_->advance(now);
    for (Packet& frame : frames) state_->offer(frame, now);
    state_->serve(now);
    frames.clear();
}

void Wire::deliver(Instant now, std::vector<Packet>& out) noexcept {
    state_->advance(now);
    while (state_->line.next() <= now) {
        Packet packet = state_->line.pop();
        ++state_->counters.delivered_packets;
        state_->counters.delivered_bytes += state_->size_of(packet);
        out.push_back(std::move(packet));
    }
}

// With drop-tail the next packet is known, and that it arrives no sooner than its last bit has left.
Instant Wire::next() const noexcept {
    const State& state = *state_;
    Instant next = std::min(state.line.next(), state.timeline.next_change());
    if (!state.waits()) return next;
    if (state.timeline.has_opportunities()) return std::min(next, state.timeline.opportunity());
    const auto rate = state.timeline.current().rate;
    if (rate == std::uint64_t{0}) return next;
    Instant at = state.free_at;
    if (const auto size = state.queue.next_size(); size && rate) {
        constexpr double bit_nanoseconds = 8e9;
        at += Duration{static_cast<std::int64_t>(bit_nanoseconds * *size / static_cast<double>(*rate))};
    }
    return std::min(next, at);
}

const Impairment& Wire::impairment() const noexcept {
    return state_->timeline.current();
}

const WireCounters& Wire::counters() const noexcept {
    return state_->counters;
}

std::size_t Wire::queued_packets() const noexcept {
    return state_->queue.packets() + (state_->in_hand ? 1 : 0);
}

std::uint64_t Wire::queued_bytes() const noexcept {
    const auto& in_hand = state_->in_hand;
    return state_->queue.bytes() + (in_hand ? in_hand->size : 0);
}

std::size_t Wire::under_way_packets() const noexcept {
    return state_->line.size();
}

}  // namespace weft
