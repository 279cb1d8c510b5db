#include "vswitch/emulation/codel.h"

#include <cmath>

#include "vswitch/checksum.h"
#include "vswitch/headers.h"
#include "vswitch/network_offset.h"

namespace weft {

bool mark_congestion(Packet& packet, LinkLayer link) noexcept {
    constexpr unsigned ecn_mask = 3;  // RFC 3168: 0 not understood, 3 experienced
    const std::size_t network = network_offset(packet.bytes(), link);
    if (network >= packet.size()) return false;
    const unsigned version = packet.data()[network] >> 4U;
    if (version == 4) {
        auto* ip = writable_view<Ipv4Header>(packet.bytes(), network);
        if (ip == nullptr || (ip->dscp_ecn & ecn_mask) == 0) return false;
        const auto word = [&] { return static_cast<std::uint16_t>(ip->version_ihl << 8U | ip->dscp_ecn); };
        const std::uint16_t before = word();
        ip->dscp_ecn |= ecn_mask;
        ip->checksum = update_checksum(ip->checksum, before, word());
        return true;
    }
    auto* ip = writable_view<Ipv6Header>(packet.bytes(), network);
    if (version != 6 || ip == nullptr) return false;
    constexpr unsigned shift = 20;  // the traffic class's last two bits
    const std::uint32_t word = ip->version_class_flow;
    if ((word >> shift & ecn_mask) == 0) return false;
    ip->version_class_flow = word | ecn_mask << shift;
    return true;
}

std::optional<QueuedPacket> Codel::pop(PacketStore& store, PacketList& list, const Parameters& parameters,
                                       Instant now, AqmCounters& counters) noexcept {
    const auto mark = [&](QueuedPacket& queued) {
        if (!mark_congestion(queued.packet, parameters.link)) return false;
        ++counters.marked;
        return true;
    };
    Head head = take(store, list, parameters, now);
    if (!head.packet) {
        dropping_ = false;
        return std::nullopt;
    }
    if (dropping_) {
        if (!head.may_drop) dropping_ = false;
        while (dropping_ && now >= drop_next_) {
            ++count_;
            if (mark(*head.packet)) {  // NOLINT(bugprone-unchecked-optional-access): there while dropping_
                drop_next_ = next_after(drop_next_, parameters.interval);
                break;
            }
            ++counters.dropped;
            head = take(store, list, parameters, now);
            if (!head.packet || !head.may_drop) {
                dropping_ = false;
            } else {
                drop_next_ = next_after(drop_next_, parameters.interval);
            }
        }
        return std::move(head.packet);
    }
    if (!head.may_drop) return std::move(head.packet);
    if (!mark(*head.packet)) {
        ++counters.dropped;
        head = take(store, list, parameters, now);
    }
    dropping_ = true;
    // If it was dropping not long ago, the rate that was right then is about right now.
    constexpr int not_long = 16;
    const std::uint32_t since = count_ - last_count_;
    count_ = since > 1 && now - drop_next_ < not_long * parameters.interval ? since : 1;
    drop_next_ = next_after(now, parameters.interval);
    last_count_ = count_;
    return std::move(head.packet);
}

Codel::Head Codel::take(PacketStore& store, PacketList& list, const Parameters& parameters,
                        Instant now) noexcept {
    if (list.empty()) {
        first_above_ = Instant{};
        return {};
    }
    Head head{list.pop(store)};
    if (now - head.packet->since < parameters.target || list.bytes() <= parameters.largest) {
        first_above_ = Instant{};
    } else if (first_above_ == Instant{}) {
        first_above_ = now + parameters.interval;
    } else {
        head.may_drop = now >= first_above_;
    }
    return head;
}

// Of the square root IEEE 754 says each bit.
Instant Codel::next_after(Instant at, Duration interval) const noexcept {
    const double wait = static_cast<double>(interval.count()) / std::sqrt(static_cast<double>(count_));
    return at + Duration{static_cast<std::int64_t>(wait)};
}

}  // namespace weft
