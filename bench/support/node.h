// One Datapath in memory, with a TAP, a TUN and as many peers and stations as a benchmark wants: what a
// packet costs from door to outbox, without the kernel.
//
//   host ---- TAP (near) ---- bridge ---- TAP (far)
//   host ---- TUN ---------- router         |
//                               |           |
//                              peers 0 ... n-1 (ESP, keys set by hand)
//
// Peer i is routed 20.x.y.0/24, x.y being i; `near` has 10.1.0.0/24. Keys, SPIs and endpoints are derived
// from i, and the benchmark has the peers' ends too. Stations are learned round robin at the peers, or at the
// far TAP if there are none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "crypto/sa.h"
#include "overlay/datapath.h"
#include "tests/support/packet_builder.h"

namespace weft::bench {

struct Scale {
    std::uint32_t peers = 1;
    std::uint32_t stations = 1;
};

class Node {
  public:
    static constexpr PortId near_tap{0};
    static constexpr PortId far_tap{1};
    static constexpr PortId tun{2};
    static constexpr Vni vni{77};

    explicit Node(const Scale& scale);

    // Their addresses; numbers wrap at the scale's.
    [[nodiscard]] MacAddress station(std::uint32_t number) const noexcept;
    [[nodiscard]] IpAddress host_at_peer(std::uint32_t peer) const noexcept;
    [[nodiscard]] Endpoint endpoint(std::uint32_t peer) const noexcept;

    // The ESP packet that the peer sends around this payload.
    [[nodiscard]] Packet sealed_by(std::uint32_t peer, std::span<const std::uint8_t> payload,
                                   std::uint8_t next_header);

    // The doors. What came out is counted and given back: that is part of a packet's way.
    std::size_t from_port(PortId in, std::span<Packet> batch) noexcept;
    std::size_t from_underlay(std::span<const ReceivedTrain> batch) noexcept;

    PacketPool pool;

  private:
    void add_peer(std::uint32_t number);
    void learn_stations(std::uint32_t count);
    std::size_t take_output() noexcept;

    Scale scale_;
    Datapath datapath_;
    std::vector<OutboundSa> far_ends_;  // by peer
};

}  // namespace weft::bench
