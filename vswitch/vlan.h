// 802.1Q tags and who may carry them. Inside the switch a frame is untagged and its VLAN is metadata
// (Packet::vlan_tci()): a tag is popped when a frame is read and pushed when it is written.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-------------------------------+-----+-+-----------------------+
//  | TPID 0x8100                   | PCP |D| VID                   |   IEEE 802.1Q-2018 clause 9.6
//  +-------------------------------+-----+-+-----------------------+
//
// Only the outermost 0x8100 tag counts; an 802.1ad service tag (0x88A8) is an ether type like any other.
#pragma once

#include <bitset>
#include <expected>
#include <optional>
#include <vector>

#include "vswitch/drop.h"
#include "vswitch/id.h"
#include "vswitch/packet.h"

namespace weft {

// Pops an outer 0x8100 tag into packet.vlan_tci(); leaves an untagged frame alone. False if a tag is
// truncated.
bool pop_vlan_tag(Packet& frame) noexcept;

// Pushes packet.vlan_tci() as a 0x8100 tag and clears it, if the frame belongs to a VLAN (VID other than 0).
void push_vlan_tag(Packet& frame) noexcept;

// Which VLANs a bridge port carries.
//   all      every VLAN, tagged, and untagged frames as VLAN 0: tunnels, gateways, ports with neither `vlan`
//   nor `trunk` access   one VLAN, untagged on the wire: a tagged frame is refused, except a priority tag
//   (VID 0) trunk    a set of VLANs, tagged on the wire: untagged frames are refused
class VlanFilter {
  public:
    static VlanFilter all() noexcept;
    static VlanFilter access(VlanId vlan) noexcept;
    static VlanFilter trunk(const std::vector<VlanId>& vlans);

    // The VLAN that a frame read from the port belongs to; sets packet.vlan_tci() for an access port.
    std::expected<VlanId, Drop> admit(Packet& frame) const noexcept;

    [[nodiscard]] bool carries(VlanId vlan) const noexcept;

    // The one whose frames have no tag on the wire here; a trunk has none.
    [[nodiscard]] std::optional<VlanId> untagged_vlan() const noexcept;

    // Whether this VLAN's frames have no tag on the wire here.
    [[nodiscard]] bool is_untagged(VlanId vlan) const noexcept;

    // Makes the frame ready for the wire: tagged or untagged.
    void emit(Packet& frame) const noexcept;

  private:
    enum class Mode : std::uint8_t { all, access, trunk };

    Mode mode_ = Mode::all;
    VlanId access_;
    std::bitset<4096> trunk_;
};

}  // namespace weft
