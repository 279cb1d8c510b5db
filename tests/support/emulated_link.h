// A wire in virtual time: frames with numbers go in, and come out at the moment at which the wire says that
// it has something to deliver.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "tests/support/packet_builder.h"
#include "vswitch/emulation/wire.h"

namespace weft::test {

class EmulatedLink {
  public:
    struct Arrival {
        std::uint32_t number = 0;
        Duration at{0};  // since the beginning
        std::size_t size = 0;
    };

    static constexpr Instant start{std::chrono::seconds{1000}};

    explicit EmulatedLink(const Impairment& impairment, std::uint64_t seed = 1,
                          std::string_view name = "link", LinkLayer link = LinkLayer::ethernet)
        : wire(impairment, {.seed = seed, .name = name, .link = link}, start) {}

    // Of no protocol that anybody looks into.
    [[nodiscard]] Packet frame(std::uint32_t number, std::size_t size) {
        Bytes bytes(std::max<std::size_t>(size, 18), 0x5A);
        bytes[12] = 0x88;
        bytes[13] = 0xB5;
        std::memcpy(bytes.data() + 14, &number, sizeof number);
        return pool.take(bytes);
    }

    void send(Packet packet) {
        batch_.push_back(std::move(packet));
        wire.offer(batch_, now);
        collect();
    }

    void send(std::size_t size = 100) { send(frame(sent++, size)); }

    // Everything happens that is due by then.
    void run_until(Duration since_start) {
        const Instant until = start + since_start;
        while (wire.next() <= until) {
            now = std::max(now, wire.next());
            collect();
        }
        now = until;
    }

    void run_for(Duration time) { run_until(now - start + time); }

    // `count` frames, one each `distance`.
    void send_evenly(std::size_t count, Duration distance, std::size_t size = 100) {
        for (std::size_t i = 0; i < count; ++i) {
            send(size);
            run_for(distance);
        }
    }

    [[nodiscard]] bool arrived(std::uint32_t number) const {
        return std::ranges::find(arrivals, number, &Arrival::number) != arrivals.end();
    }

    [[nodiscard]] bool balances() const {
        const WireCounters& c = wire.counters();
        return c.offered_packets + c.duplicated == c.delivered_packets + c.lost + c.cut + c.too_big +
                                                       c.queue_full + c.aqm_dropped + wire.queued_packets() +
                                                       wire.under_way_packets();
    }

    PacketPool pool{16384};
    Wire wire;
    Instant now = start;
    std::uint32_t sent = 0;
    std::vector<Arrival> arrivals;
    std::vector<Packet>* keep = nullptr;  // where arrived packets go

  private:
    void collect() {
        wire.deliver(now, out_);
        for (Packet& packet : out_) {
            std::uint32_t number = 0;
            std::memcpy(&number, packet.data() + 14, sizeof number);
            arrivals.push_back({number, now - start, packet.size()});
            if (keep != nullptr) keep->push_back(std::move(packet));
        }
        out_.clear();
    }

    std::vector<Packet> batch_;
    std::vector<Packet> out_;
};

}  // namespace weft::test
