#include "vswitch/vlan.h"

#include <cstring>

#include "vswitch/headers.h"

namespace weft {

namespace {

constexpr std::uint16_t vid_mask = 0x0FFF;
constexpr std::size_t addresses_size = 2 * sizeof(MacAddress);  // what stands before a tag

constexpr bool is_vlan(VlanId vlan) noexcept {
    return vlan != untagged && vlan.value() <= max_vlan;
}

}  // namespace

// A tag that the device has already stripped was the outer one: what is still in the bytes is payload.
//
//  1. | destination | source | 8100 tci | type |   the tag is read into the metadata
//  2. | .... | destination | source | type |       the addresses move over it, everything behind stays where
//  it is
bool pop_vlan_tag(Packet& frame) noexcept {
    const auto* ethernet = view<EthernetHeader>(frame.bytes());
    if (ethernet == nullptr || ethernet->type.value() != ether_type::vlan || frame.vlan_tci() != 0)
        return true;
    if (frame.size() < sizeof(EthernetHeader) + sizeof(VlanTagHeader)) return false;
    frame.vlan_tci() = view<VlanTagHeader>(frame.bytes(), addresses_size)->control;
    std::memmove(frame.data() + sizeof(VlanTagHeader), frame.data(), addresses_size);
    frame.pull(sizeof(VlanTagHeader));
    return true;
}

void push_vlan_tag(Packet& frame) noexcept {
    if (frame.vlan() == untagged) return;
    const VlanTagHeader tag{.protocol = ether_type::vlan,
                            .control = std::exchange(frame.vlan_tci(), std::uint16_t{0})};
    std::uint8_t* start = frame.push(sizeof tag);
    std::memmove(start, start + sizeof tag, addresses_size);
    std::memcpy(start + addresses_size, &tag, sizeof tag);
}

VlanFilter VlanFilter::all() noexcept {
    return {};
}

VlanFilter VlanFilter::access(VlanId vlan) noexcept {
    VlanFilter filter;
    filter.mode_ = Mode::access;
    filter.access_ = vlan;
    return filter;
}

VlanFilter VlanFilter::trunk(const std::vector<VlanId>& vlans) {
    VlanFilter filter;
    filter.mode_ = Mode::trunk;
    for (const VlanId vlan : vlans) {
        if (is_vlan(vlan)) filter.trunk_.set(vlan.value());
    }
    return filter;
}

std::expected<VlanId, Drop> VlanFilter::admit(Packet& frame) const noexcept {
    if (mode_ == Mode::access) {
        if (frame.vlan() != untagged) return std::unexpected(Drop::vlan_not_allowed);
        frame.vlan_tci() =
            static_cast<std::uint16_t>(frame.vlan_tci() | access_.value());  // its priority stays
        return access_;
    }
    if (!carries(frame.vlan())) return std::unexpected(Drop::vlan_not_allowed);
    return frame.vlan();
}

bool VlanFilter::carries(VlanId vlan) const noexcept {
    switch (mode_) {
        case Mode::all:
            return vlan.value() <= max_vlan;
        case Mode::access:
            return vlan == access_;
        case Mode::trunk:
            return trunk_[vlan.value() & vid_mask];
    }
    return false;
}

std::optional<VlanId> VlanFilter::untagged_vlan() const noexcept {
    if (mode_ == Mode::trunk) return std::nullopt;
    return mode_ == Mode::access ? access_ : untagged;
}

bool VlanFilter::is_untagged(VlanId vlan) const noexcept {
    return untagged_vlan() == vlan;
}

void VlanFilter::emit(Packet& frame) const noexcept {
    if (mode_ != Mode::access) push_vlan_tag(frame);
    frame.vlan_tci() = 0;  // an access port's VLAN, or the priority of an untagged frame
}

}  // namespace weft
