// A learning bridge (IEEE 802.1Q-2018 clause 8): learns where stations are, and says for each frame where it
// goes. It holds no packets and writes to nothing: forward() returns a Verdict, the datapath acts on it.
//
// A member is any port: a local device, the tunnel to a peer, the router's leg. Members with the same horizon
// group other than 0 never hear from one another: all tunnels share one, so that a full mesh of them has no
// loop, and all isolated ports another one, so that they have only the leg, the tunnels and the other ports
// to talk to. Isolation is this node's: what isolated stations send reaches the other nodes of a stretched
// bridge, where nothing says that it came from one.
//
// forward(), step by step; whatever is dropped before the third teaches nothing:
//   1. The source must be a single station's address, the destination none that stays on its link (802.1Q
//   table 8-1).
//   2. `in` must be a member.
//   3. The source is learned on `in`, wherever it was before, unless it is a member's own address: that never
//   moves, so nobody draws off what is meant for the gateway by sending in its name.
//   4. A group or unknown destination is flooded; the datapath asks floods_to() of each member.
//   5. A known one is forwarded, unless it is behind `in` itself, behind another member of its horizon group,
//   or behind a port that does not carry the frame's VLAN.
// A frame's VLAN is checked on entry by the member's filter (VlanFilter::admit), before it is classified.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "vswitch/drop.h"
#include "vswitch/flow.h"
#include "vswitch/id.h"
#include "vswitch/mac_table.h"
#include "vswitch/vlan.h"

namespace weft {

struct Verdict {
    enum class Action : std::uint8_t { drop, forward, flood };

    Action action = Action::drop;
    Drop reason{};         // drop
    PortId out = no_port;  // forward
    bool learned = false;  // the source is news (MacTable::learn)

    static constexpr Verdict drop(Drop reason) noexcept { return {Action::drop, reason, no_port, false}; }

    static constexpr Verdict forward(PortId out) noexcept { return {Action::forward, {}, out, false}; }

    static constexpr Verdict flood() noexcept { return {Action::flood, {}, no_port, false}; }
};

struct BridgeMember {
    static constexpr std::uint8_t no_group = 0;
    static constexpr std::uint8_t tunnel_group = 1;
    static constexpr std::uint8_t isolated_group = 2;

    PortId port;
    std::uint8_t horizon_group = no_group;
    VlanFilter vlans = VlanFilter::all();
    MacAddress address{};  // the member's own, of a leg; zero: it has none

    [[nodiscard]] bool is_isolated() const noexcept { return horizon_group == isolated_group; }
};

class Bridge {
  public:
    explicit Bridge(const MacTable::Limits& limits, Generations* generations = nullptr);

    void add_member(const BridgeMember& member);  // replaces the member with the same port
    void remove_member(PortId port);              // and forgets the stations behind it

    [[nodiscard]] const BridgeMember* member(PortId port) const noexcept;

    [[nodiscard]] std::span<const BridgeMember> members() const noexcept { return members_; }

    // Learns flow.source_mac on `in` (a member), then decides by flow.destination_mac within flow.vlan.
    Verdict forward(const FlowKey& flow, PortId in, Instant now) noexcept;

    // What forward() would say, having learned nothing.
    [[nodiscard]] Verdict would_forward(const FlowKey& flow, PortId in, Instant now) const noexcept;

    // Two steps of getting what forward() will look at into the processor's cache (MacTable), where a small
    // table is already.
    void prefetch_buckets(const FlowKey& flow) const noexcept {
        if (stations_.size() < prefetch_from) return;
        stations_.prefetch_bucket(flow.vlan, flow.source_mac);
        stations_.prefetch_bucket(flow.vlan, flow.destination_mac);
    }

    void prefetch_stations(const FlowKey& flow) const noexcept {
        if (stations_.size() < prefetch_from) return;
        stations_.prefetch_entry(flow.vlan, flow.source_mac);
        stations_.prefetch_entry(flow.vlan, flow.destination_mac);
    }

    // Notes where another worker of this node has seen a station, as forward() would have.
    void learn(VlanId vlan, const MacAddress& mac, PortId port, Instant now) noexcept;

    // Notes that a station was seen on `port` before, if nobody has seen it elsewhere since. True as of
    // MacTable::learn().
    bool refresh(VlanId vlan, const MacAddress& mac, PortId port, Instant now) noexcept;

    // Whether a frame flooded from `in` goes to `to`: not back, not across a horizon group, only where the
    // VLAN is carried.
    [[nodiscard]] bool floods_to(const BridgeMember& to, PortId in, VlanId vlan) const noexcept;

    void set_aging(Duration aging) noexcept { stations_.set_aging(aging); }

    void expire(Instant now) noexcept { stations_.expire(now); }

    [[nodiscard]] const MacTable& stations() const noexcept { return stations_; }

  private:
    static constexpr std::uint16_t not_member = 0xFFFF;
    static constexpr std::uint32_t prefetch_from = 4096;  // stations

    [[nodiscard]] Verdict decide(const FlowKey& flow, const BridgeMember& from, Instant now) const noexcept;

    // The member in `vlan` whose own address this is, or no_port.
    [[nodiscard]] PortId owner(const MacAddress& address, VlanId vlan) const noexcept;

    std::vector<BridgeMember> members_;
    std::vector<PortId> with_address_;     // members
    std::vector<std::uint16_t> position_;  // by port id: of the member in members_
    MacTable stations_;
};

}  // namespace weft
