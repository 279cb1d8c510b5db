// ARP and neighbor discovery at a bridge that answers in place of its stations (BridgeOptions::arp_suppress,
// vswitch/binding_table.h).
//
// Learned: who sends ARP, and the targets of neighbor advertisements, if the link-layer address inside is the
// frame's source. Answered: broadcast ARP requests and multicast solicitations of a local station for an
// address whose station is where the binding says; those for this node's gateway go to the gateway alone.
// Everything else is flooded as ever: probes and duplicate address detection (a binding may be older than the
// station's move), gratuitous ARP, what comes from a tunnel or the gateway, and what nobody knows. Unicast
// questions ask whether a station is still there, which only it can say.
//
// An answer to a solicitation does not override what the asker has (RFC 4861 section 7.2.8).
#include "overlay/datapath.h"
#include "vswitch/arp.h"
#include "vswitch/headers.h"
#include "vswitch/neighbor_discovery.h"

namespace weft {

// Whether that was all that had to be done about the frame.
bool Datapath::use_bindings(Frame& frame) noexcept {
    if (frame.what.flow.ether_type == ether_type::arp) return use_arp(frame);
    return is_neighbor_discovery(frame.packet, frame.what) && use_discovery(frame);
}

bool Datapath::use_arp(Frame& frame) noexcept {
    auto& [slot, in, packet, what, flow_hash] = frame;
    const auto arp = parse_arp(packet.bytes());
    if (!arp || arp->sender_mac != what.flow.source_mac) return false;
    const IpAddress& sender = arp->sender;
    if (sender.is_unspecified() || sender.is_multicast() || sender.is_broadcast()) return false;
    slot->bindings->learn(what.flow.vlan, sender, {.mac = arp->sender_mac, .port = in}, now_);

    if (!arp->is_request || what.flow.destination_mac != broadcast_mac || arp->target == sender) return false;
    const auto known = find_binding(frame, arp->target);
    if (!known) return false;
    if (topology_.port(known->port).kind != Port::Kind::leg) {
        const ArpMessage reply{
            .sender_mac = known->mac, .sender = arp->target, .target_mac = arp->sender_mac, .target = sender};
        write_arp(packet, reply, arp->sender_mac);
    }
    deliver_answer(frame, *known);
    return true;
}

bool Datapath::use_discovery(Frame& frame) noexcept {
    auto& [slot, in, packet, what, flow_hash] = frame;
    const MacAddress station = what.flow.source_mac;
    const auto message = parse_neighbor_message(packet, what).value_or(std::nullopt);
    if (!message || message->link_address != station) return false;
    if (!message->is_solicitation) {
        const auto known = slot->bindings->lookup(what.flow.vlan, message->target, now_);
        if (known && known->mac != station && !message->override_entry) return false;
        slot->bindings->learn(what.flow.vlan, message->target,
                              {.mac = station, .port = in, .is_router = message->from_router}, now_);
        return false;
    }
    if (!what.flow.destination_mac.is_group() || message->source.is_unspecified()) return false;
    const auto known = find_binding(frame, message->target);
    if (!known) return false;
    if (topology_.port(known->port).kind != Port::Kind::leg) {
        const NeighborMessage advertisement{.from_router = known->is_router,
                                            .solicited = true,
                                            .source = message->target,
                                            .destination = message->source,
                                            .target = message->target,
                                            .link_address = known->mac};
        write_neighbor_message(packet, advertisement, known->mac, station);
    }
    deliver_answer(frame, *known);
    return true;
}

// Of a station that is where it was when it spoke, and that a local one may hear from.
std::optional<BindingTable::Binding> Datapath::find_binding(const Frame& frame,
                                                            const IpAddress& address) noexcept {
    const VlanId vlan = frame.what.flow.vlan;
    const Bridge& bridge = frame.slot->bridge;
    if (topology_.port(frame.in).kind != Port::Kind::frame_device) return std::nullopt;
    const auto known = frame.slot->bindings->lookup(vlan, address, now_);
    if (!known) return std::nullopt;
    const BridgeMember* there = bridge.member(known->port);
    if (there == nullptr || !bridge.floods_to(*there, frame.in, vlan)) return std::nullopt;
    if (!known->is_fixed && bridge.stations().lookup(vlan, known->mac, now_) != known->port)
        return std::nullopt;
    return known;
}

// The question goes to the gateway, the answer back.
void Datapath::deliver_answer(Frame& frame, const BindingTable::Binding& known) noexcept {
    const bool is_for_leg = topology_.port(known.port).kind == Port::Kind::leg;
    deliver_frame(*frame.slot, frame.in, is_for_leg ? known.port : frame.in, std::move(frame.packet),
                  frame.what);
}

}  // namespace weft
