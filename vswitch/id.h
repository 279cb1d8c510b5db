// Identifiers and units that are not addresses, each a type of its own so that none can stand in for another.
//
// PortId   one leg of the switch. Local devices, the tunnel to a peer and the router's leg on a bridge are
// all ports;
//          ids are handed out by the control thread, small and dense, and index arrays on the packet path.
// Vni      VXLAN network identifier, 24 bits (RFC 7348 section 5).
// VlanId   802.1Q VLAN identifier, 1..4094; 0 means untagged.
// Spi      IPsec security parameters index (RFC 4303 section 2.1); 0..255 are reserved, 0 never is one.
// Instant  a point of monotonic time, in nanoseconds; the packet path is told the time and never asks for it.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>

namespace weft {

template <class Tag, class Integer>
class StrongId {
  public:
    using value_type = Integer;

    constexpr StrongId() noexcept = default;

    explicit constexpr StrongId(Integer value) noexcept : value_(value) {}

    [[nodiscard]] constexpr Integer value() const noexcept { return value_; }

    friend constexpr auto operator<=>(StrongId, StrongId) noexcept = default;

  private:
    Integer value_ = 0;
};

using PortId = StrongId<struct PortTag, std::uint16_t>;
using BridgeId = StrongId<struct BridgeTag, std::uint16_t>;
using PeerId = StrongId<struct PeerTag, std::uint16_t>;
using Vni = StrongId<struct VniTag, std::uint32_t>;
using VlanId = StrongId<struct VlanTag, std::uint16_t>;
using Spi = StrongId<struct SpiTag, std::uint32_t>;

inline constexpr PortId no_port{0xFFFF};
inline constexpr VlanId untagged{0};
inline constexpr std::uint32_t max_vni = (1U << 24) - 1;
inline constexpr std::uint16_t max_vlan = 4094;

struct MonotonicClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<MonotonicClock>;
    static constexpr bool is_steady = true;
};

using Instant = MonotonicClock::time_point;
using Duration = MonotonicClock::duration;

}  // namespace weft

template <class Tag, class Integer>
struct std::hash<weft::StrongId<Tag, Integer>> {
    std::size_t operator()(weft::StrongId<Tag, Integer> id) const noexcept {
        return std::hash<Integer>{}(id.value());
    }
};
