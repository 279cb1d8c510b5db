#include "overlay/outbox.h"

namespace weft {

std::span<std::uint8_t> Outbox::append(PacketPool& pool, Place& place, const Destination& to,
                                       std::size_t size) noexcept {
    if (place.turn_ != turn_ || !may_grow(trains_[place.index_], to, size)) {
        Packet packet = pool.take();
        if (!packet) return {};
        place.turn_ = turn_;
        place.index_ = trains_.size();
        trains_.push_back({.packet = std::move(packet), .datagram_size = size, .to = to});
    }
    Packet& packet = trains_[place.index_].packet;
    packet.resize(packet.size() + size);
    return packet.bytes().last(size);
}

// A shorter datagram ends its train: from then on its size is no multiple of datagram_size.
bool Outbox::may_grow(const DatagramTrain& train, const Destination& to, std::size_t size) const noexcept {
    return size <= train.datagram_size && train.packet.size() % train.datagram_size == 0 &&
           train.packet.size() + size <= max_bytes &&
           train.packet.size() < max_datagrams * train.datagram_size && train.to.remote == to.remote &&
           train.to.channel == to.channel &&
           train.to.flow_hash % vxlan_sources == to.flow_hash % vxlan_sources;
}

void Outbox::clear() noexcept {
    trains_.clear();
    ++turn_;
}

}  // namespace weft
