#include "lab/simulation/replay_traffic.h"

#include <stdexcept>

#include <fmt/format.h>

#include "vswitch/headers.h"

namespace weft::lab {

ReplayTraffic::ReplayTraffic(const Context& context)
    : Generator(context), frames_(load_capture(context.traffic.file)) {
    if (context.from.interfaces() == 0 || context.to.interfaces() == 0) {
        throw std::runtime_error(
            fmt::format("traffic {}: one of its hosts has no link: give it one", context.traffic.name));
    }
    std::size_t there = 0;
    for (const bool v6 : {true, false}) {
        const auto address = context.to.address_for(context.from, v6);
        if (!address) continue;
        if (const auto way = context.from.way_to(*address)) interface_ = way->interface;
        there = context.to.interface_of(*address).value_or(0);
    }
    source_ = context.from.mac(interface_);
    destination_ = context.to.mac(there);
    reschedule();
}

void ReplayTraffic::run(Instant now) {
    const std::span<const std::uint8_t> bytes = frames_[position_++].bytes;
    Packet frame = bytes.size() < sizeof(EthernetHeader) ? Packet{} : context_.pool.take(bytes);
    if (frame) {
        auto* header = writable_view<EthernetHeader>(frame.bytes());
        header->source = source_;
        if (!header->destination.is_group()) header->destination = destination_;
        sent(bytes.size(), now);
        context_.from.send_frame(interface_, std::move(frame), now);
    } else {
        ++result_.unsent;
    }
    reschedule();
}

void ReplayTraffic::reschedule() {
    next_ = position_ < frames_.size() ? context_.start + frames_[position_].at : Instant::max();
    if (next_ >= context_.stop) next_ = Instant::max();
}

void ReplayTraffic::arrived(const Received& /*datagram*/, Instant /*now*/) {}

void ReplayTraffic::returned(const Received& /*datagram*/, Instant /*now*/) {}

bool ReplayTraffic::frame_arrived(std::span<const std::uint8_t> frame, Instant now) {
    const auto* header = view<EthernetHeader>(frame);
    if (header == nullptr || header->source != source_) return false;
    if (header->destination != destination_ && !header->destination.is_group()) return false;
    received(frame.size(), now);
    return true;
}

}  // namespace weft::lab
