#include "vswitch/emulation/link_queue.h"

#include <algorithm>
#include <utility>

#include "vswitch/flow.h"
#include "vswitch/mix.h"
#include "vswitch/network_offset.h"

namespace weft {

namespace {

constexpr std::int32_t quantum = 1514;
constexpr std::uint32_t default_packets = 1000;

}  // namespace

void LinkQueue::set(const QueueModel& model) {
    const bool was_fair = !flows_.empty();
    const bool is_fair = model.discipline == QueueModel::Discipline::fq_codel;
    model_ = model;
    if (was_fair == is_fair) return;
    std::vector<QueuedPacket> waiting;
    for (Flow& flow : flows_) {
        while (!flow.list.empty()) waiting.push_back(flow.list.pop(store_));
    }
    while (!list_.empty()) waiting.push_back(list_.pop(store_));
    std::ranges::stable_sort(waiting, {}, &QueuedPacket::since);
    flows_ = std::vector<Flow>(is_fair ? flow_count : 0);
    new_flows_ = {};
    old_flows_ = {};
    codel_ = {};
    packets_ = 0;
    bytes_ = 0;
    for (QueuedPacket& queued : waiting) push(std::move(queued));
}

void LinkQueue::push(QueuedPacket queued) {
    largest_ = std::max(largest_, queued.size);
    const bool full = is_full(queued.size);
    if (full && flows_.empty()) {
        ++overflowed_;
        return;
    }
    ++packets_;
    bytes_ += queued.size;
    if (flows_.empty()) {
        list_.push(store_, std::move(queued));
        return;
    }
    const auto index = static_cast<std::uint16_t>(flow_of(queued.packet));
    Flow& flow = flows_[index];
    flow.list.push(store_, std::move(queued));
    if (!flow.is_listed) {
        flow.is_listed = true;
        flow.credit = quantum;
        append(new_flows_, index);
    }
    if (full) drop_from_longest();
}

std::optional<QueuedPacket> LinkQueue::pop(Instant now, AqmCounters& counters) noexcept {
    if (packets_ == 0) return std::nullopt;
    if (!flows_.empty()) return pop_in_turn(now, counters);
    if (model_.discipline == QueueModel::Discipline::codel) return pop_by_codel(list_, codel_, now, counters);
    QueuedPacket queued = list_.pop(store_);
    --packets_;
    bytes_ -= queued.size;
    return queued;
}

std::optional<QueuedPacket> LinkQueue::pop_by_codel(PacketList& list, Codel& codel, Instant now,
                                                    AqmCounters& counters) noexcept {
    const std::uint32_t packets_before = list.packets();
    const std::uint64_t bytes_before = list.bytes();
    const Codel::Parameters parameters{
        .target = model_.target, .interval = model_.interval, .link = link_, .largest = largest_};
    auto queued = codel.pop(store_, list, parameters, now, counters);
    packets_ -= packets_before - list.packets();
    bytes_ -= bytes_before - list.bytes();
    return queued;
}

std::optional<QueuedPacket> LinkQueue::pop_in_turn(Instant now, AqmCounters& counters) noexcept {
    while (true) {
        const bool is_new = new_flows_.first != none;
        FlowList& flows = is_new ? new_flows_ : old_flows_;
        if (flows.first == none) return std::nullopt;
        const std::uint16_t index = flows.first;
        Flow& flow = flows_[index];
        if (flow.credit <= 0) {
            flow.credit += quantum;
            remove_first(flows);
            append(old_flows_, index);
            continue;
        }
        auto queued = pop_by_codel(flow.list, flow.codel, now, counters);
        if (queued) {
            flow.credit -= static_cast<std::int32_t>(queued->size);
            return queued;
        }
        // A new flow that has run out waits its turn among the old ones, or it could starve them by coming
        // again and again.
        remove_first(flows);
        if (is_new && old_flows_.first != none) {
            append(old_flows_, index);
        } else {
            flow.is_listed = false;
        }
    }
}

// At most half of its packets and 64 at once, so that a flood is not paid for packet by packet.
void LinkQueue::drop_from_longest() noexcept {
    constexpr std::uint32_t most = 64;
    Flow& longest = *std::ranges::max_element(flows_, {}, [](const Flow& flow) { return flow.list.bytes(); });
    const std::uint32_t count = std::clamp(longest.list.packets() / 2, std::uint32_t{1}, most);
    for (std::uint32_t i = 0; i < count; ++i) {
        bytes_ -= longest.list.pop(store_).size;
        --packets_;
        ++overflowed_;
    }
}

std::size_t LinkQueue::clear() noexcept {
    const std::size_t gone = packets_;
    while (!list_.empty()) static_cast<void>(list_.pop(store_));
    for (Flow& flow : flows_) {
        while (!flow.list.empty()) static_cast<void>(flow.list.pop(store_));
    }
    packets_ = 0;
    bytes_ = 0;
    return gone;
}

std::optional<std::uint32_t> LinkQueue::next_size() const noexcept {
    if (model_.discipline != QueueModel::Discipline::drop_tail || list_.empty()) return std::nullopt;
    return list_.front(store_).size;
}

bool LinkQueue::is_full(std::uint32_t size) const noexcept {
    if (model_.bytes && bytes_ + size > *model_.bytes) return true;
    if (model_.packets || !model_.bytes) return packets_ >= model_.packets.value_or(default_packets);
    return false;
}

std::size_t LinkQueue::flow_of(const Packet& packet) const noexcept {
    const auto bytes = packet.bytes();
    const std::size_t network = network_offset(bytes, link_);
    if (network < bytes.size()) {
        if (const auto what = classify_datagram(bytes.subspan(network))) return hash(what->flow) % flow_count;
    }
    constexpr std::size_t of_addresses = 2 * sizeof(MacAddress) + 2;
    std::uint64_t value = 0;
    for (const std::uint8_t byte : bytes.first(std::min(bytes.size(), of_addresses)))
        value = mix(value, byte);
    return value % flow_count;
}

void LinkQueue::append(FlowList& list, std::uint16_t flow) noexcept {
    flows_[flow].next = none;
    (list.first == none ? list.first : flows_[list.last].next) = flow;
    list.last = flow;
}

void LinkQueue::remove_first(FlowList& list) noexcept {
    list.first = flows_[list.first].next;
}

}  // namespace weft
