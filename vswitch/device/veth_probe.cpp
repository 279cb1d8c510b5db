#include "vswitch/device/veth_probe.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "vswitch/device/packet_socket.h"
#include "vswitch/headers.h"
#include "vswitch/packet.h"

namespace weft {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t frame_size = 60;  // Ethernet's least
constexpr std::uint16_t experimental = 0x88B5;
constexpr std::size_t probe_packets = 64;
constexpr int attempts = 50;
constexpr auto pause = 20ms;

using Queues = std::span<const std::unique_ptr<Device>>;
using Frame = std::array<std::uint8_t, frame_size>;

// Locally administered addresses, and what no other probe has.
Frame make_frame(std::uint8_t way) {
    Frame frame{};
    const EthernetHeader header{.destination = {{0x02, 0x77, 0x65, 0x66, 0x74, way}},
                                .source = {{0x02, 0x77, 0x65, 0x66, 0x74, 0}},
                                .type = experimental};
    std::memcpy(frame.data(), &header, sizeof header);
    return frame;
}

bool crosses(Device& from, Queues to, const Frame& frame, PacketPool& pool) {
    DropCounters drops;
    std::vector<Packet> packets;
    for (int attempt = 0; attempt < attempts; ++attempt) {
        packets.clear();
        packets.push_back(pool.take(frame));
        from.write(packets, drops);
        // Once at once, as it is as a rule, and once for whoever needs time.
        for (const auto wait : {0ms, 1ms}) {
            std::this_thread::sleep_for(wait);
            packets.clear();
            for (const auto& queue : to)
                while (queue->read(pool, probe_packets, packets, drops) == Device::Status::more) continue;
            const bool arrived = std::ranges::any_of(
                packets, [&](const Packet& packet) { return std::ranges::equal(packet.bytes(), frame); });
            if (arrived) return true;
        }
        std::this_thread::sleep_for(pause);
    }
    return false;
}

}  // namespace

bool frames_cross(Queues tap, const NewInterface& inner) {
    PacketPool pool(2 * probe_packets);
    auto inside = open_packet_queues(inner.name, inner.netns, 1);
    const bool both = crosses(*inside.front(), tap, make_frame(1), pool) &&
                      crosses(*tap.front(), inside, make_frame(2), pool);
    // Closing a packet socket takes a grace period of RCU, for which nobody need wait.
    std::thread([last = std::move(inside)]() mutable { last.clear(); }).detach();
    return both;
}

}  // namespace weft
