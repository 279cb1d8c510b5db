#include "vswitch/bridge.h"

namespace weft {

namespace {

bool share_horizon(const BridgeMember& a, const BridgeMember& b) noexcept {
    return a.horizon_group != BridgeMember::no_group && a.horizon_group == b.horizon_group;
}

}  // namespace

Bridge::Bridge(const MacTable::Limits& limits, Generations* generations) : stations_(limits, generations) {}

void Bridge::add_member(const BridgeMember& member) {
    const std::size_t id = member.port.value();
    if (id >= position_.size()) position_.resize(id + 1, not_member);
    stations_.add_port(member.port);
    std::erase(with_address_, member.port);
    if (!member.address.is_zero()) with_address_.push_back(member.port);
    if (position_[id] != not_member) {
        members_[position_[id]] = member;
        return;
    }
    members_.push_back(member);
    position_[id] = static_cast<std::uint16_t>(members_.size() - 1);
}

void Bridge::remove_member(PortId port) {
    if (member(port) == nullptr) return;
    stations_.forget_port(port);
    std::erase(with_address_, port);
    members_.erase(members_.begin() + position_[port.value()]);
    position_[port.value()] = not_member;
    for (std::size_t i = 0; i < members_.size(); ++i) {
        position_[members_[i].port.value()] = static_cast<std::uint16_t>(i);
    }
}

const BridgeMember* Bridge::member(PortId port) const noexcept {
    if (port.value() >= position_.size() || position_[port.value()] == not_member) return nullptr;
    return &members_[position_[port.value()]];
}

PortId Bridge::owner(const MacAddress& address, VlanId vlan) const noexcept {
    for (const PortId port : with_address_) {
        const BridgeMember& candidate = members_[position_[port.value()]];
        if (candidate.address == address && candidate.vlans.carries(vlan)) return port;
    }
    return no_port;
}

Verdict Bridge::forward(const FlowKey& flow, PortId in, Instant now) noexcept {
    if (flow.source_mac.is_group() || flow.source_mac.is_zero()) return Verdict::drop(Drop::source_is_group);
    if (flow.destination_mac.is_link_local()) return Verdict::drop(Drop::link_local_filtered);
    const BridgeMember* from = member(in);
    if (from == nullptr) return Verdict::drop(Drop::no_member);

    const bool learned =
        owner(flow.source_mac, flow.vlan) == no_port && stations_.learn(flow.vlan, flow.source_mac, in, now);
    Verdict verdict = decide(flow, *from, now);
    verdict.learned = learned;
    return verdict;
}

Verdict Bridge::would_forward(const FlowKey& flow, PortId in, Instant now) const noexcept {
    const BridgeMember* from = member(in);
    return from == nullptr ? Verdict::drop(Drop::no_member) : decide(flow, *from, now);
}

Verdict Bridge::decide(const FlowKey& flow, const BridgeMember& from, Instant now) const noexcept {
    if (flow.destination_mac.is_group()) return Verdict::flood();
    PortId out = owner(flow.destination_mac, flow.vlan);
    if (out == no_port) out = stations_.lookup(flow.vlan, flow.destination_mac, now);
    const BridgeMember* to = member(out);
    if (to == nullptr) return Verdict::flood();
    if (out == from.port) return Verdict::drop(Drop::same_port);
    if (share_horizon(from, *to))
        return Verdict::drop(from.is_isolated() ? Drop::isolated : Drop::split_horizon);
    if (!to->vlans.carries(flow.vlan)) return Verdict::drop(Drop::vlan_not_allowed);
    return Verdict::forward(out);
}

void Bridge::learn(VlanId vlan, const MacAddress& mac, PortId port, Instant now) noexcept {
    if (member(port) != nullptr && owner(mac, vlan) == no_port) stations_.learn(vlan, mac, port, now);
}

bool Bridge::refresh(VlanId vlan, const MacAddress& mac, PortId port, Instant now) noexcept {
    return stations_.lookup(vlan, mac, now) == port && stations_.learn(vlan, mac, port, now);
}

bool Bridge::floods_to(const BridgeMember& to, PortId in, VlanId vlan) const noexcept {
    const BridgeMember* from = member(in);
    return from != nullptr && to.port != in && !share_horizon(*from, to) && to.vlans.carries(vlan);
}

}  // namespace weft
