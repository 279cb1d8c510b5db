#include "vswitch/backlog.h"

#include <cstdlib>
#include <utility>

#include "vswitch/flow.h"

namespace weft {

Backlog::Backlog(LinkLayer link) : link_(link) {
    urgent_.reserve(capacity);
}

void Backlog::push(std::vector<Packet>& packets) noexcept {
    if (packets.size() > room()) std::abort();
    for (Packet& packet : packets) {
        const std::uint8_t bucket = bucket_of(packet);
        if (queued_[bucket] == 0 && packet.size() <= sparse_size) {
            urgent_.push_back(std::move(packet));
            continue;
        }
        ++queued_[bucket];
        ring_[(first_ + waiting_++) % capacity] = {std::move(packet), bucket};
    }
    packets.clear();
}

void Backlog::take_bulk(std::size_t bytes, std::vector<Packet>& out) noexcept {
    for (std::size_t taken = 0; taken < bytes && waiting_ > 0; --waiting_) {
        Waiting& next = ring_[first_];
        taken += next.packet.size();
        --queued_[next.bucket];
        out.push_back(std::move(next.packet));
        first_ = (first_ + 1) % capacity;
    }
}

std::uint8_t Backlog::bucket_of(const Packet& packet) const noexcept {
    const auto what = link_ == LinkLayer::ethernet ? classify_frame(packet.bytes(), untagged)
                                                   : classify_datagram(packet.bytes());
    return what ? static_cast<std::uint8_t>(hash(what->flow)) : std::uint8_t{0};
}

}  // namespace weft
