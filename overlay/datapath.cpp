#include "overlay/datapath.h"

#include <algorithm>
#include <cstdlib>
#include <tuple>
#include <utility>

#include "crypto/esp.h"
#include "overlay/mtu.h"
#include "overlay/tunnel.h"
#include "overlay/vxlan.h"
#include "vswitch/gso.h"
#include "vswitch/headers.h"
#include "vswitch/left_to_device.h"
#include "vswitch/vlan.h"

namespace weft {

namespace {

constexpr std::size_t max_bound = 256;  // packets that wait for the end of the batch to be sealed

// What is larger is worth asking whether it arrives.
constexpr std::size_t confirmed_room = PathMtu{PathSearch::base, true}.room();

std::uint32_t vni_or_none(const Topology::BridgeSlot& slot) noexcept {
    return slot.vni ? slot.vni->value() : FlowTable::no_vni;
}

}  // namespace

Datapath::Datapath(PacketPool& pool, const FlowTable::Limits& flows) : pool_(pool), flows_(flows) {
    events_.reserve(max_events);
    frames_.reserve(max_received);
    arrived_.reserve(max_received);
    opened_.reserve(max_received);
    bound_.reserve(max_bound);
    leg_frames_.reserve(max_batch);
    unresolved_.reserve(max_batch);
}

// ---- Out: from a local port ----------------------------------------------------------------------

// 1. A device's frames enter its bridge, a TUN's datagrams the router.
void Datapath::from_port(PortId in, std::span<Packet> batch, Instant now) noexcept {
    now_ = now;
    Port& port = topology_.port(in);
    for (Packet& packet : batch) {
        port.traffic.rx_packets += 1;
        port.traffic.rx_bytes += packet.size();
        switch (port.kind) {
            case Port::Kind::frame_device:
                take_frame(topology_.bridge(port.bridge), in, std::move(packet));
                break;
            case Port::Kind::datagram_device:
                trail_ = {.from = in};
                route_datagram(in, in, std::move(packet));
                trail_ = {};
                break;
            default:
                port.drops.add(Drop::no_route);
        }
        packet = Packet{};
    }
    forward_taken();
    send_bound();
}

// 2. Bridging: which VLAN, what is it, where does it go? Asked of the whole batch, question by question.
void Datapath::take_frame(Topology::BridgeSlot& slot, PortId in, Packet frame) noexcept {
    const auto what = admit(slot, in, frame);
    if (!what) return;
    slot.bridge.prefetch_buckets(what->flow);
    const std::uint32_t flow_hash = FlowTable::hash_of(what->flow, in, slot.id);
    flows_.prefetch_set(flow_hash);
    frames_.push_back({&slot, in, std::move(frame), *what, flow_hash});
}

void Datapath::forward_taken() noexcept {
    for (const Frame& frame : frames_) {
        frame.slot->bridge.prefetch_stations(frame.what.flow);
        flows_.prefetch_entry(frame.flow_hash);
    }
    for (Frame& frame : frames_) forward_frame(std::move(frame));
    frames_.clear();
}

// The same for a frame by itself, as it comes out of the router.
void Datapath::bridge_frame(Topology::BridgeSlot& slot, PortId in, Packet frame) noexcept {
    const auto what = admit(slot, in, frame);
    if (what)
        forward_frame({&slot, in, std::move(frame), *what, FlowTable::hash_of(what->flow, in, slot.id)});
}

std::optional<Classified> Datapath::admit(const Topology::BridgeSlot& slot, PortId in,
                                          Packet& frame) noexcept {
    const auto refuse = [&](Drop drop) {
        count(in, drop);
        return std::nullopt;
    };
    const BridgeMember* member = slot.bridge.member(in);
    if (member == nullptr) return refuse(Drop::no_member);
    if (!pop_vlan_tag(frame)) return refuse(Drop::truncated);
    const auto vlan = member->vlans.admit(frame);
    if (!vlan) return refuse(vlan.error());
    const auto what = classify_frame(frame.bytes(), *vlan);
    if (!what) return refuse(what.error());
    return *what;
}

// It goes where the flow's last frame went, if that still holds; else the bridge says, if the port's guard
// has no objection: to a flow that it has let pass it has none (port_guard.h).
void Datapath::forward_frame(Frame frame) noexcept {
    auto& [slot, in, packet, what, flow_hash] = frame;
    const PortId known =
        FlowTable::follows(what) ? flows_.pass(frame.item(), topology_.generations(), now_) : no_port;
    if (known != no_port) {
        if (in == trail_.out) close_trail(known, &frame);
        return deliver_frame(*slot, in, known, std::move(packet), what);
    }
    if (const auto& guard = topology_.port(in).guard) {
        if (const auto spoofed = guard->check(packet.bytes(), what)) return count(in, *spoofed);
    }
    const Verdict verdict = slot->bridge.forward(what.flow, in, now_);
    if (verdict.learned) announce(StationLearned{slot->id, what.flow.vlan, what.flow.source_mac, in});
    if (slot->bindings && verdict.action != Verdict::Action::drop && use_bindings(frame)) return;
    switch (verdict.action) {
        case Verdict::Action::drop:
            return count(in, verdict.reason);
        case Verdict::Action::forward:
            remember(frame, verdict.out);
            if (in == trail_.out) close_trail(verdict.out, &frame);
            return deliver_frame(*slot, in, verdict.out, std::move(packet), what);
        case Verdict::Action::flood:
            return flood(*slot, in, std::move(packet), what);
    }
}

// What goes up to the router is followed there.
void Datapath::remember(const Frame& frame, PortId out) noexcept {
    const Port& to = topology_.port(out);
    if (!FlowTable::follows(frame.what) || to.kind == Port::Kind::leg) return;
    constexpr std::uint16_t any_size = 0xFFFF;  // a bridge measures no frames
    const auto stamp = topology_.generations().stamp({Generations::of(frame.in), Generations::of(out),
                                                      Generations::of(frame.slot->id), Generations::never});
    flows_.decided(frame.item(),
                   {.out = out,
                    .stamp = stamp,
                    .until = now_ + frame.slot->bridge.stations().refresh_interval(),
                    .mtu = can_be_carried(frame, out) ? any_size : std::uint16_t{0},
                    .vni = frame.slot->vni},
                   now_);
}

// Whoever carries a frame changes nothing in it: it has no tag, neither here nor there. Peers with keys are
// this datapath's alone.
bool Datapath::can_be_carried(const Frame& frame, PortId out) noexcept {
    const VlanId vlan = frame.what.flow.vlan;
    return is_plain(frame.in) && is_plain(out) && is_untagged(*frame.slot, frame.in, vlan) &&
           is_untagged(*frame.slot, out, vlan);
}

bool Datapath::is_plain(PortId port) noexcept {
    const Port& of = topology_.port(port);
    if (of.kind != Port::Kind::tunnel) return of.kind == Port::Kind::frame_device;
    const Peer* peer = topology_.peers().find(of.peer);
    return peer != nullptr && !peer->encrypted;
}

bool Datapath::is_untagged(const Topology::BridgeSlot& slot, PortId port, VlanId vlan) noexcept {
    const BridgeMember* member = slot.bridge.member(port);
    return member != nullptr && member->vlans.is_untagged(vlan);
}

// A copy for every member but the last one, which gets the frame itself (head-end replication, as to
// tunnels).
void Datapath::flood(Topology::BridgeSlot& slot, PortId in, Packet frame, const Classified& what) noexcept {
    PortId last = no_port;
    for (const BridgeMember& member : slot.bridge.members()) {
        if (!slot.bridge.floods_to(member, in, what.flow.vlan)) continue;
        if (last != no_port) {
            if (Packet copy = frame.clone()) {
                deliver_frame(slot, in, last, std::move(copy), what);
            } else {
                count(in, Drop::no_buffer);
            }
        }
        last = member.port;
    }
    if (last == no_port) return count(in, Drop::no_member);
    deliver_frame(slot, in, last, std::move(frame), what);
}

void Datapath::deliver_frame(Topology::BridgeSlot& slot, PortId in, PortId out, Packet frame,
                             const Classified& what) noexcept {
    Port& port = topology_.port(out);
    switch (port.kind) {
        case Port::Kind::frame_device:
            slot.bridge.member(out)->vlans.emit(frame);
            return to_outbox(port, std::move(frame));
        case Port::Kind::tunnel:
            return frame_to_peer(slot, in, port, std::move(frame), what);
        case Port::Kind::leg:
            return frame_to_leg(slot, in, port, std::move(frame), what);
        default:
            return count(in, Drop::no_member);
    }
}

// 3. Routing: what is it, where does it go, or what does ICMP say about it?
// `sender` is the port that it came by, which is not `in` if it came over a bridge.
void Datapath::route_datagram(PortId in, PortId sender, Packet datagram) noexcept {
    const auto what = classify_datagram(datagram.bytes());
    if (!what) return count(in, what.error());
    if (is_foreign_source(sender, what->flow.source)) return count(sender, Drop::foreign_source);
    forward_datagram(in, std::move(datagram), *what);
}

void Datapath::forward_datagram(PortId in, Packet datagram, const Classified& what) noexcept {
    const RouteVerdict verdict = topology_.router().route(datagram, what, in, now_);
    if (goes_around_isolation(verdict, in, what.flow.destination)) return count(trail_.from, Drop::isolated);
    if (verdict.reason) {
        count(in, *verdict.reason);
    } else if (verdict.action != RouteVerdict::Action::drop && FlowTable::follows(what)) {
        const auto flow = flows_.routed(
            {what, datagram.bytes(), in, Flow::routed, FlowTable::hash_of(what.flow, in, Flow::routed)},
            verdict.out, now_);
        if (verdict.action == RouteVerdict::Action::forward) {
            trail_.flow = flow;
            trail_.in = in;
            trail_.out = verdict.out;
        }
    }
    deliver_datagram(in, verdict, std::move(datagram));
}

// From an isolated port through the gateway to a station of the same bridge, which may be isolated as well.
// What such a station passes on as a router is another matter.
bool Datapath::goes_around_isolation(const RouteVerdict& verdict, PortId in,
                                     const IpAddress& destination) noexcept {
    if (verdict.out != in || verdict.next_hop != destination) return false;
    const Topology::BridgeSlot* slot = topology_.find_bridge(topology_.port(in).bridge);
    const BridgeMember* from = slot == nullptr ? nullptr : slot->bridge.member(trail_.from);
    return from != nullptr && from->is_isolated();
}

void Datapath::deliver_datagram(PortId in, const RouteVerdict& verdict, Packet datagram) noexcept {
    if (verdict.action == RouteVerdict::Action::drop) return;
    const bool in_pieces = verdict.action == RouteVerdict::Action::fragment && fragments_inside(verdict.out);
    if (verdict.action == RouteVerdict::Action::fragment && !in_pieces) {
        if (const auto cut = fragment_ipv4(std::move(datagram), verdict.mtu, fragments_); !cut)
            return count(in, cut.error());
        RouteVerdict forward = verdict;
        forward.action = RouteVerdict::Action::forward;
        for (Packet& fragment : fragments_) deliver_datagram(in, forward, std::move(fragment));
        return fragments_.clear();
    }
    Port& port = topology_.port(verdict.out);
    switch (port.kind) {
        case Port::Kind::datagram_device:
            close_trail(port.id, nullptr);
            return to_outbox(port, std::move(datagram));
        case Port::Kind::tunnel:
            return datagram_to_peer(in, port, std::move(datagram));
        case Port::Kind::leg:
            return datagram_to_leg(in, port, verdict.next_hop, std::move(datagram));
        default:
            return count(in, Drop::no_route);
    }
}

// The datagram leaves by a device or tunnel, out of a leg as `frame`: from there to here others can carry it.
// What it depends on at the bridges is in the policy's number.
void Datapath::close_trail(PortId to, const Frame* frame) noexcept {
    if (trail_.flow == FlowTable::no_place || trail_.from == no_port || !flows_.offloads()) return;
    const bool from_device = topology_.port(trail_.from).kind == Port::Kind::datagram_device;
    if (!from_device && !is_plain(trail_.from)) return;
    FlowTable::Passage passage{
        .from = trail_.from,
        .station = trail_.station,
        .gateway = trail_.gateway,
        .to = to,
        .rewrite = {},
        .mtu = topology_.router().mtu(trail_.out),
        .stamp = topology_.generations().stamp({Generations::of(trail_.from), Generations::policy,
                                                Generations::of(trail_.out), Generations::of(to)})};
    if (!from_device) passage.vni_from = vni_or_none(topology_.bridge(topology_.port(trail_.in).bridge));
    if (frame != nullptr) {
        const FlowKey& flow = frame->what.flow;
        const FlowKey& key = flows_.key_of(trail_.flow);
        const bool is_it = flow.source == key.source && flow.destination == key.destination &&
                           flow.protocol == key.protocol && flow.source_port == key.source_port &&
                           flow.destination_port == key.destination_port;
        if (!is_it || !is_plain(to) || !is_untagged(*frame->slot, to, flow.vlan)) return;
        passage.rewrite = {flow.destination_mac, flow.source_mac};
        passage.vni_to = vni_or_none(*frame->slot);
    }
    flows_.went(std::exchange(trail_.flow, FlowTable::no_place), passage, topology_.generations(), now_);
}

// A peer that knows pieces gets a datagram in them, and its host the datagram whole.
bool Datapath::fragments_inside(PortId out) noexcept {
    const Port& port = topology_.port(out);
    if (port.kind != Port::Kind::tunnel) return false;
    const Peer* peer = topology_.peers().find(port.peer);
    return peer != nullptr && peer->probes_path;
}

// 4. Between bridge and router: a frame for the leg goes up, a datagram out of the leg comes down as a frame.
void Datapath::frame_to_leg(Topology::BridgeSlot& slot, PortId in, Port& leg, Packet frame,
                            const Classified& what) noexcept {
    if (what.flow.vlan != untagged) return count(in, Drop::vlan_not_allowed);
    leg.traffic.rx_packets += 1;
    leg.traffic.rx_bytes += frame.size();
    const auto received = leg.gateway->receive(frame, what, now_, leg_frames_);
    if (const auto news = leg.gateway->take_news()) announce(NeighborLearned{leg.id, *news});
    switch (received.action) {
        case Gateway::Received::Action::drop:
            leg.drops.add(received.reason);
            break;
        case Gateway::Received::Action::consumed:
            break;
        case Gateway::Received::Action::route:
            trail_ = {.from = in, .station = what.flow.source_mac, .gateway = what.flow.destination_mac};
            route_datagram(leg.id, in, std::move(frame));
            trail_ = {};
            break;
        case Gateway::Received::Action::answer:
            leg.traffic.tx_packets += 1;
            leg.traffic.tx_bytes += frame.size();
            bridge_frame(slot, leg.id, std::move(frame));
            break;
    }
    frames_from_leg(leg, leg_frames_);
}

// The prefixes of a peer are its own: nobody else sends in its name, be it another peer or a host of ours
// (the strict reverse-path check of RFC 3704 section 2.2, for what is routed to peers).
bool Datapath::is_foreign_source(PortId sender, const IpAddress& source) noexcept {
    const Route* back = topology_.router().routes().lookup(source);
    return back != nullptr && back->origin == Route::Origin::peer && back->out != sender;
}

void Datapath::datagram_to_leg(PortId in, Port& leg, const IpAddress& next_hop, Packet datagram) noexcept {
    const auto sent = leg.gateway->send(std::move(datagram), next_hop, now_, leg_frames_);
    if (!sent) count(in, sent.error());
    frames_from_leg(leg, leg_frames_);
}

void Datapath::frames_from_leg(Port& leg, std::vector<Packet>& frames) noexcept {
    if (frames.empty()) return;
    // Bridging a frame may lead to another leg, which uses the same scratch vector: take it first.
    std::vector<Packet> taken;
    taken.swap(frames);
    for (Packet& frame : taken) {
        leg.traffic.tx_packets += 1;
        leg.traffic.tx_bytes += frame.size();
        bridge_frame(topology_.bridge(leg.bridge), leg.id, std::move(frame));
    }
    taken.clear();
    if (frames.empty()) frames.swap(taken);
}

// 5. Towards a peer: a super-frame is cut, encapsulated and sealed segment by segment, each straight into the
// train that the underlay sends.
void Datapath::frame_to_peer(const Topology::BridgeSlot& slot, PortId in, Port& tunnel, Packet frame,
                             const Classified& what) noexcept {
    const Vni vni = slot.vni.value_or(Vni{0});  // a bridge without one has no tunnels
    push_vlan_tag(frame);
    to_peer(in, tunnel, frame_payload(std::move(frame), vni, hash(what.flow)));
}

void Datapath::datagram_to_peer(PortId in, Port& tunnel, Packet datagram) noexcept {
    to_peer(in, tunnel, datagram_payload(std::move(datagram)));
}

// A flood to many peers must not empty the pool.
void Datapath::to_peer(PortId in, const Port& tunnel, TunnelPayload payload) noexcept {
    Peer* peer = topology_.peers().find(tunnel.peer);
    __builtin_prefetch(peer);
    bound_.push_back({in, peer, std::move(payload)});
    if (bound_.size() == max_bound) send_bound();
}

// 6. The keys, for the whole batch: those of as many peers as it has packets.
void Datapath::send_bound() noexcept {
    if (bound_.size() > 1 && bound_.front().peer != bound_.back().peer) {
        for (const Bound& bound : bound_) __builtin_prefetch(bound.peer->current.get());
        for (const Bound& bound : bound_)
            if (bound.peer->current) bound.peer->current->outbound.prefetch();
    }
    for (Bound& bound : bound_) send_to_peer(bound.in, *bound.peer, std::move(bound.payload));
    bound_.clear();
}

void Datapath::send_to_peer(PortId in, Peer& peer, TunnelPayload payload) noexcept {
    Port& tunnel = topology_.port(peer.port);
    if (!peer.encrypted) return plain_to_peer(in, peer, tunnel, payload);
    if (peer.sealing(now_) == nullptr) return park(peer, tunnel, std::move(payload));
    seal_to_peer(in, peer, tunnel, payload);
}

// The peer has keys.
void Datapath::seal_to_peer(PortId in, Peer& peer, Port& tunnel, const TunnelPayload& payload) noexcept {
    const auto segments = Segmenter::of(payload.packet, payload.network);
    if (!segments) return count(in, segments.error());
    if (!peer.endpoint) return tunnel.drops.add(Drop::no_endpoint, segments->count());
    const bool is_dummy = payload.next_header == ip_protocol::none;
    const std::size_t largest = sealed_size(payload, segments->size(0));
    if (largest > peer.room && !is_dummy) {
        pieces_to_peer(peer, tunnel, payload, *segments);
    } else {
        for (std::size_t i = 0; i < segments->count(); ++i) seal_segment(peer, tunnel, payload, *segments, i);
    }
    if (is_dummy) {
        peer.liveness.sent_dummy(now_);
    } else {
        if (largest > confirmed_room) peer.path.note_large();
        peer.liveness.sent(now_);
        peer.sent = true;
    }
}

void Datapath::seal_segment(Peer& peer, Port& tunnel, const TunnelPayload& payload, const Segmenter& segments,
                            std::size_t index) noexcept {
    OutboundSa& sa = peer.current->outbound;
    if (sa.exhausted()) return tunnel.drops.add(Drop::sa_exhausted);
    const Destination to{.remote = *peer.endpoint, .channel = Channel::esp, .tunnel = tunnel.id};
    const std::size_t size = segments.size(index);
    const auto out = underlay_outbox_.append(pool_, peer.place, to, sealed_size(payload, size));
    if (out.empty()) return tunnel.drops.add(Drop::no_buffer);
    if (!seal(sa, payload, segments, index, out)) std::abort();  // it had room and numbers
    if (payload.next_header == ip_protocol::none) return;
    tunnel.traffic.tx_packets += 1;
    tunnel.traffic.tx_bytes += size;
}

// What the path does not carry whole goes in pieces. Gateways with keys set by hand do not know these.
void Datapath::pieces_to_peer(Peer& peer, Port& tunnel, const TunnelPayload& payload,
                              const Segmenter& segments) noexcept {
    if (peer.current->manual) return tunnel.drops.add(Drop::too_big, segments.count());
    Packet inner = payload.packet.sibling();
    if (!inner) return tunnel.drops.add(Drop::no_buffer, segments.count());
    for (std::size_t i = 0; i < segments.count(); ++i) {
        const std::size_t size = inner_size(payload, segments.size(i));
        const auto plan = FragmentPlan::make(size, peer.room);
        if (Esp::sealed_size(size) <= peer.room) {
            seal_segment(peer, tunnel, payload, segments, i);
        } else if (plan.piece == 0) {
            tunnel.drops.add(Drop::too_big);
        } else {
            inner.resize(size);
            write_inner(payload, segments, i, inner.bytes());
            seal_pieces(peer, tunnel, inner.bytes(), payload.next_header, plan);
            tunnel.traffic.tx_packets += 1;
            tunnel.traffic.tx_bytes += segments.size(i);
        }
    }
}

void Datapath::seal_pieces(Peer& peer, Port& tunnel, std::span<const std::uint8_t> inner,
                           std::uint8_t next_header, const FragmentPlan& plan) noexcept {
    OutboundSa& sa = peer.current->outbound;
    const Destination to{.remote = *peer.endpoint, .channel = Channel::esp, .tunnel = tunnel.id};
    const std::uint32_t identification = peer.fragmented++;
    for (std::size_t i = 0; i < plan.count(); ++i) {
        if (sa.exhausted()) return tunnel.drops.add(Drop::sa_exhausted);
        const std::size_t size = plan.size(i);
        const auto out =
            underlay_outbox_.append(pool_, peer.place, to, Esp::sealed_size(fragment_header_size + size));
        if (out.empty()) return tunnel.drops.add(Drop::no_buffer);
        const bool more = i + 1 < plan.count();
        const auto flags = static_cast<std::uint16_t>(i * plan.piece | (more ? 1U : 0U));
        const Ipv6FragmentHeader header{
            .next_header = next_header, .offset_flags = flags, .identification = identification};
        if (!seal_piece(sa, header, inner.subspan(i * plan.piece, size), out)) std::abort();
    }
}

void Datapath::plain_to_peer(PortId in, Peer& peer, Port& tunnel, const TunnelPayload& payload) noexcept {
    const auto segments = Segmenter::of(payload.packet, payload.network);
    if (!segments) return count(in, segments.error());
    if (!peer.endpoint) return tunnel.drops.add(Drop::no_endpoint, segments->count());
    const Destination to{.remote = *peer.endpoint,
                         .channel = Channel::vxlan,
                         .flow_hash = payload.flow_hash,
                         .tunnel = tunnel.id};
    for (std::size_t i = 0; i < segments->count(); ++i) {
        const auto out = underlay_outbox_.append(pool_, peer.place, to, plain_size(segments->size(i)));
        if (out.empty()) return tunnel.drops.add(Drop::no_buffer, segments->count() - i);
        encapsulate(payload, *segments, i, out);
        tunnel.traffic.tx_packets += 1;
        tunnel.traffic.tx_bytes += segments->size(i);
    }
}

// Without keys a packet waits, and asks for them.
void Datapath::park(Peer& peer, Port& tunnel, TunnelPayload payload) noexcept {
    want_session(peer);
    if (peer.parked.size() >= Peer::max_parked || payload.packet.pool_is_low()) {
        return tunnel.drops.add(Drop::no_session);
    }
    if (peer.parked.empty()) peer.parked_since = now_;
    peer.parked.push_back(std::move(payload));
}

void Datapath::want_session(Peer& peer) noexcept {
    if (std::exchange(peer.session_wanted, true)) return;
    report(peer);
}

void Datapath::send_parked(Peer& peer) noexcept {
    auto parked = std::exchange(peer.parked, {});
    for (TunnelPayload& payload : parked) send_to_peer(peer.port, peer, std::move(payload));
}

void Datapath::drop_parked(Peer& peer) noexcept {
    count(peer.port, Drop::no_session, peer.parked.size());
    peer.parked.clear();
}

// A keepalive. Without keys it asks for them, and is not worth keeping.
void Datapath::send_dummy(Peer& peer) noexcept {
    if (peer.sealing(now_) == nullptr) return want_session(peer);
    Packet empty = pool_.take();
    if (!empty) return count(peer.port, Drop::no_buffer);
    seal_to_peer(peer.port, peer, topology_.port(peer.port), dummy_payload(std::move(empty)));
}

// ---- In: from the underlay -----------------------------------------------------------------------

void Datapath::from_underlay(std::span<const ReceivedTrain> batch, Instant now) noexcept {
    now_ = now;
    const bool any_denied = !denied_.empty();
    for (const ReceivedTrain& train : batch) {
        if (any_denied && denied_.denies(train.from.address, train.datagrams(), train.bytes.size())) {
            underlay_drops_.add(Drop::denied, train.datagrams());
            continue;
        }
        each_datagram(train.bytes, train.datagram_size, [&](std::span<const std::uint8_t> datagram) {
            if (train.channel == Channel::vxlan) {
                from_vxlan(train, datagram);
            } else {
                take_esp(train, datagram);
            }
        });
    }
    open_arrived();
    deliver_opened();
    forward_taken();
    send_bound();
}

// 1. Whose is it?
void Datapath::take_esp(const ReceivedTrain& train, std::span<const std::uint8_t> datagram) noexcept {
    constexpr std::uint8_t nat_keepalive = 0xFF;  // RFC 3948 section 2.3
    if (datagram.size() == 1 && datagram[0] == nat_keepalive) return;
    if (datagram.size() < sizeof(be32)) return underlay_drops_.add(Drop::truncated);
    const Spi spi{Esp::spi_of(datagram)};
    if (spi == Spi{0}) return from_control(train, datagram);  // the non-ESP marker (RFC 3948 section 2.2)
    const PeerTable::Found from = topology_.peers().find(spi);
    if (from.peer == nullptr) return underlay_drops_.add(Drop::unknown_spi);
    __builtin_prefetch(from.session);
    __builtin_prefetch(from.sa);
    arrived_.push_back({&train, datagram, from});
}

// 2. Is it authentic and new? A session that its successor displaces while the batch is opened takes its SPIs
// with it.
void Datapath::open_arrived() noexcept {
    if (arrived_.size() > 1 && arrived_.front().from.sa != arrived_.back().from.sa) {
        for (const Arrived& arrived : arrived_)
            arrived.from.sa->prefetch(static_cast<std::uint32_t>(arrived.from.sa->window().highest()));
    }
    const std::uint64_t version = topology_.peers().version();
    for (Arrived& arrived : arrived_) {
        if (topology_.peers().version() != version)
            arrived.from = topology_.peers().find(Spi{Esp::spi_of(arrived.datagram)});
        from_esp(arrived);
    }
    arrived_.clear();
}

void Datapath::from_esp(const Arrived& arrived) noexcept {
    const auto [peer, session, sa] = arrived.from;
    if (peer == nullptr || !session->alive(now_)) return underlay_drops_.add(Drop::unknown_spi);
    Port& tunnel = topology_.port(peer->port);
    Packet packet = pool_.take();
    if (!packet) return tunnel.drops.add(Drop::no_buffer);
    const auto opened = open(*sa, arrived.datagram, packet);
    if (!opened) return tunnel.drops.add(opened.error());
    const bool is_dummy =
        opened->next_header == ip_protocol::none;  // a keepalive: all it had to say was heard
    heard_from(*peer, *session, arrived.train->from, opened->newest, !is_dummy);
    if (is_dummy) return from_message(*peer, packet.bytes());
    opened_.push_back(
        {peer, session->id, Spi{sa->spi()}, opened->sequence, opened->next_header, std::move(packet)});
}

// What the underlay delivered out of order within a batch goes on in order, an old session's packets before
// its successor's. 3. What is in it? 4. May the peer send that?
void Datapath::deliver_opened() noexcept {
    const auto earlier = [](const Opened& a, const Opened& b) {
        return std::tie(a.session, a.spi, a.sequence) < std::tie(b.session, b.spi, b.sequence);
    };
    if (!std::ranges::is_sorted(opened_, earlier)) std::ranges::sort(opened_, earlier);
    for (Opened& opened : opened_) {
        Port& tunnel = topology_.port(opened.peer->port);
        if (opened.next_header == ip_protocol::fragment && !make_whole(opened)) continue;
        Packet& packet = opened.packet;
        const auto inner = decapsulate(packet, opened.next_header);
        if (!inner) {
            tunnel.drops.add(inner.error());
            continue;
        }
        tunnel.traffic.rx_packets += 1;
        tunnel.traffic.rx_bytes += packet.size();
        if (const auto vni = inner->vni) {
            frame_from_peer(tunnel, *vni, std::move(packet));
        } else {
            datagram_from_peer(*opened.peer, tunnel, std::move(packet));
        }
    }
    opened_.clear();
}

bool Datapath::make_whole(Opened& opened) noexcept {
    auto added = reassembler_.add(opened.peer->id, opened.spi, std::move(opened.packet), now_);
    if (added.displaced) {
        const Peer* late = topology_.peers().find(*added.displaced);
        if (late != nullptr) count(late->port, Drop::reassembly_timeout);
    }
    if (added.drop) count(opened.peer->port, *added.drop);
    if (!added.whole) return false;
    opened.packet = std::move(added.whole->packet);
    opened.next_header = added.whole->next_header;
    return true;
}

void Datapath::from_vxlan(const ReceivedTrain& train, std::span<const std::uint8_t> datagram) noexcept {
    Peer* peer = topology_.peers().find_plain(train.from.address);
    if (peer == nullptr) return underlay_drops_.add(Drop::unknown_peer);
    Port& tunnel = topology_.port(peer->port);
    Packet packet = pool_.take(datagram);
    if (!packet) return tunnel.drops.add(Drop::no_buffer);
    const auto vni = pull_vxlan(packet);
    if (!vni) return tunnel.drops.add(vni.error());
    mark_left_to_device(packet, topology_.router().mtu(tunnel.id));
    peer->liveness.heard(now_, true);
    tunnel.traffic.rx_packets += 1;
    tunnel.traffic.rx_bytes += packet.size();
    frame_from_peer(tunnel, *vni, std::move(packet));
}

void Datapath::from_control(const ReceivedTrain& train, std::span<const std::uint8_t> datagram) noexcept {
    if (const auto refused = gate_.refuse(datagram, train.from, now_)) {
        if (refused == Drop::cookie_demanded && !gate_.reply().empty())
            send_control(train.from, gate_.reply());
        return underlay_drops_.add(*refused);
    }
    ControlReceived received;
    received.from = train.from;
    received.size = static_cast<std::uint16_t>(datagram.size());
    std::ranges::copy(datagram, received.bytes.begin());
    if (!emit(received)) underlay_drops_.add(Drop::queue_full);
}

// The packet is authentic: the peer is alive, has these keys, and is where the packet came from.
void Datapath::heard_from(Peer& peer, PeerSession& session, const Endpoint& from, bool newest,
                          bool data) noexcept {
    peer.liveness.heard(now_, data);
    peer.heard = true;
    const bool is_next = &session == peer.next.get();
    if (newest && (is_next || &session == peer.current.get()) && peer.endpoint != from) {
        peer.endpoint = from;
        peer.path.moved(from.address.is_v6());
        fit_to_path(peer);
        emit(PeerMoved{peer.id, from});
    }
    if (is_next) {
        emit(SessionConfirmed{peer.id, session.id});
        promote_next(peer);
    }
    if (!peer.previous) return;
    if (&session == peer.previous.get() && !session.draining) remind(peer, from);
    const auto* whose = peer.previous->draining ? peer.previous.get() : peer.current.get();
    if (&session == whose) peer.previous->drain(now_);
}

// The peer still seals with the old keys: what told it that the new ones are in use was lost, or went to
// where it is no more. It is told again, at the place that it calls from; to move there takes a packet under
// the new keys.
void Datapath::remind(Peer& peer, const Endpoint& from) noexcept {
    if (now_ - peer.reminded < Peer::remind_interval) return;
    peer.reminded = now_;
    const auto known = std::exchange(peer.endpoint, from);
    send_dummy(peer);
    peer.endpoint = known;
}

void Datapath::frame_from_peer(Port& tunnel, Vni vni, Packet frame) noexcept {
    Topology::BridgeSlot* slot = topology_.bridge_of(vni);
    if (slot == nullptr || slot->bridge.member(tunnel.id) == nullptr)
        return tunnel.drops.add(Drop::foreign_vni);
    take_frame(*slot, tunnel.id, std::move(frame));
}

void Datapath::datagram_from_peer(const Peer& peer, Port& tunnel, Packet datagram) noexcept {
    const auto what = classify_datagram(datagram.bytes());
    if (!what) return tunnel.drops.add(what.error());
    if (!topology_.peers().may_send_from(peer, what->flow.source))
        return tunnel.drops.add(Drop::foreign_source);
    forward_datagram(tunnel.id, std::move(datagram), *what);
}

void Datapath::to_outbox(Port& port, Packet packet) noexcept {
    port.traffic.tx_packets += 1;
    port.traffic.tx_bytes += packet.size();
    if (port_outboxes_.size() <= port.id.value()) port_outboxes_.resize(port.id.value() + std::size_t{1});
    auto& outbox = port_outboxes_[port.id.value()];
    if (outbox.empty()) ports_with_output_.push_back(port.id);
    outbox.push_back(std::move(packet));
}

}  // namespace weft
