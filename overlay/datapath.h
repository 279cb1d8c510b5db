// The walk of a packet through a node, both ways, top to bottom; datapath.cpp is to be read that way.
//
//   out   from_port     -> classify -> bridge or router -> a local port's outbox, or
//                          segment, encapsulate and seal, straight into a train of the underlay's outbox
//   in    from_underlay -> SPI -> replay check, open, replay mark -> in order of sequence numbers:
//                          decapsulate -> may this peer send this? -> classify -> bridge or router -> as
//                          above
//
// Three doors: from_port, from_underlay, tick. No file descriptor, no clock and no randomness behind them, so
// a test runs hundreds of nodes and hours of time in one process. What comes out stands in the outboxes and
// in events(), for the owner to take after each call. Stages (bridge, router, tunnel, gateway) return values
// and never call one another; only the datapath calls stages.
//
// A batch goes through each stage as a whole: what a stage will need of the tables and keys is fetched into
// the processor's cache for all packets before the first one is worked on, so that a packet pays for memory
// only what its neighbors in the batch do not hide.
//
// Owner: one worker; everything here is for its thread alone. Nothing throws but the configuration methods of
// topology().
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "overlay/carried_session.h"
#include "overlay/control_gate.h"
#include "overlay/deny_list.h"
#include "overlay/fragment.h"
#include "overlay/handshake.h"
#include "overlay/outbox.h"
#include "overlay/probe.h"
#include "overlay/reassembler.h"
#include "overlay/topology.h"
#include "vswitch/drop.h"
#include "vswitch/flow.h"
#include "vswitch/flow_table.h"
#include "vswitch/packet.h"
#include "vswitch/segmenter.h"
#include "vswitch/token_bucket.h"

namespace weft {

// For the control side: a control datagram that has passed the gate (control_gate.h).
struct ControlReceived {
    static constexpr std::size_t max_size = max_control_size;

    Endpoint from;
    std::uint16_t size = 0;
    std::array<std::uint8_t, max_size> bytes{};

    [[nodiscard]] std::span<const std::uint8_t> datagram() const noexcept { return {bytes.data(), size}; }
};

struct PeerReport {
    PeerId peer;
    PeerActivity activity;
};

struct PeerMoved {  // the newest authenticated packet came from another endpoint
    PeerId peer;
    Endpoint endpoint;
};

struct SessionConfirmed {  // it may be used: all workers have it, and so has the peer
    PeerId peer;
    std::uint32_t session = 0;  // its id
};

struct PathMtuChanged {  // senders are told of another size
    PeerId peer;
    std::uint16_t mtu = 0;  // of the underlay
};

// What a worker has learned from a packet that no other worker sees. Emitted only if there are others.
struct StationLearned {  // new, moved, or still there
    BridgeId bridge;
    VlanId vlan;
    MacAddress mac;
    PortId port;
};

struct NeighborLearned {  // an answer to any worker's question
    PortId leg;
    Gateway::News news;
};

struct ProbeAnswered {  // a probe of some other worker's
    PeerId peer;
    std::uint64_t id = 0;
};

using Event = std::variant<ControlReceived, PeerReport, PeerMoved, SessionConfirmed, PathMtuChanged,
                           StationLearned, NeighborLearned, ProbeAnswered>;

// Keys set by hand, and where their numbers have got to.
struct ManualSession {
    SaKeys outbound;
    SaKeys inbound;
    std::uint64_t first_sequence = 1;    // to send
    std::uint64_t limit = 0;             // the last one to send, until it is raised
    std::uint64_t highest_received = 0;  // it and all below count as seen
};

class Datapath {
  public:
    static constexpr std::size_t max_batch = 64;      // packets a call of from_port()
    static constexpr std::size_t max_received = 256;  // datagrams a call of from_underlay()
    static constexpr std::size_t max_events =
        256;  // waiting to be taken; further ones are dropped, and retried by the protocol

    explicit Datapath(PacketPool& pool, const FlowTable::Limits& flows = {});

    [[nodiscard]] Topology& topology() noexcept { return topology_; }

    // Of the underlay's door.
    [[nodiscard]] DenyList& denied() noexcept { return denied_; }

    // Keys, from the control side. A session of which this side is the initiator is used at once, or, if
    // there are other workers, when the last of them that was given it is told so: what the peer then seals
    // for any of them can be opened.
    void install(PeerId peer, const Session& session, Instant now);
    void use(PeerId peer, std::uint32_t session, Instant now) noexcept;
    void install_manual(PeerId peer, const ManualSession& session, Instant now);

    // What another process goes on with, of keys that were agreed on; to be resumed in the same order, when
    // the peer is new. No packet is sealed in between.
    [[nodiscard]] std::vector<CarriedSession> sessions(PeerId peer);
    void resume(PeerId peer, const CarriedSession& session, Instant now);

    void raise_limit(PeerId peer, std::uint64_t limit) noexcept;  // of a manual SA
    // Of a manual SA; nothing if the peer has no keys.
    [[nodiscard]] std::optional<std::uint64_t> highest_received(PeerId peer) noexcept;
    void retire(PeerId peer) noexcept;
    void set_endpoint(PeerId peer, const Endpoint& endpoint);

    // What was decided about the port does not hold any more.
    void reconsider(PortId port) noexcept { topology_.generations().raise(Generations::of(port)); }

    void remove_port(PortId port) noexcept;  // with what waits in its outbox

    // Of the gate for control datagrams, from the control side.
    void admit_control(const PublicKey& own) noexcept { gate_.open(own); }

    void renew_cookies(CookieSecret secret) noexcept { gate_.renew(std::move(secret)); }

    // With other workers beside this one, what it learns is announced to them, and what they announce is told
    // here.
    void announce_learned() noexcept { announces_ = true; }

    void tell(const PeerMoved& moved, Instant now);
    void tell(const SessionConfirmed& confirmed, Instant now) noexcept;
    void tell(const StationLearned& learned, Instant now) noexcept;
    void tell(const NeighborLearned& learned, Instant now) noexcept;
    void tell(const ProbeAnswered& answered, Instant now) noexcept;

    // From now on, established flows that it can carry are given to it (flow_table.h), whose generations are
    // shared with it; nullptr: to nobody.
    void offload_to(FlowOffload* offload, const FlowTable::OffloadPolicy& policy) noexcept;

    void share_generations(std::uint32_t* numbers) noexcept { topology_.generations().use(numbers); }

    // Of a packet that was carried past this datapath: its flow's slot and tag, where it came in and went,
    // its first bytes.
    struct CarriedSample {
        std::uint32_t slot = 0;
        std::uint32_t tag = 0;
        PortId in;
        PortId out;                             // no_port: it was dropped
        std::optional<Vni> vni = std::nullopt;  // by which it came from a peer or went to one
        bool is_frame = true;                   // else a datagram
        std::span<const std::uint8_t> bytes;
    };

    // Whether the packet has gone where this datapath sends it now. If not, its flow is taken back.
    bool check(const CarriedSample& sample, Instant now) noexcept;

    // The kernel has refused datagrams of this tunnel's: they are larger than its device takes.
    void path_refused(PortId tunnel) noexcept;

    // The three doors. The packets of from_port() are consumed; more datagrams than max_received are
    // welcome, but take as many packets from the pool before the first one is delivered.
    void from_port(PortId in, std::span<Packet> batch, Instant now) noexcept;
    void from_underlay(std::span<const ReceivedTrain> batch, Instant now) noexcept;
    void tick(Instant now) noexcept;

    // A datagram of the control side's, to be sent as it is.
    void send_control(const Endpoint& to, std::span<const std::uint8_t> datagram) noexcept;

    // What came out. The owner empties the outboxes (writing or delivering them) and then calls flushed().
    [[nodiscard]] const std::vector<PortId>& ports_with_output() const noexcept { return ports_with_output_; }

    [[nodiscard]] std::vector<Packet>& port_outbox(PortId port) noexcept {
        return port_outboxes_[port.value()];
    }

    [[nodiscard]] Outbox& underlay_outbox() noexcept { return underlay_outbox_; }

    void flushed() noexcept { ports_with_output_.clear(); }

    [[nodiscard]] std::vector<Event>& events() noexcept { return events_; }

    // Counted by whoever writes an outbox.
    [[nodiscard]] DropCounters& drops(PortId port) noexcept { return topology_.port(port).drops; }

    [[nodiscard]] DropCounters& underlay_drops() noexcept { return underlay_drops_; }

    // With the busiest flows, as many as that.
    [[nodiscard]] Snapshot snapshot(Instant now, std::size_t flows = 0) const;

  private:
    // Bridged frames.
    struct Frame {
        Topology::BridgeSlot* slot;
        PortId in;
        Packet packet;
        Classified what;
        std::uint32_t flow_hash;

        [[nodiscard]] FlowTable::Item item() const noexcept {
            return {what, packet.bytes(), in, slot->id, flow_hash};
        }
    };

    void take_frame(Topology::BridgeSlot& slot, PortId in, Packet frame) noexcept;
    void forward_taken() noexcept;
    void bridge_frame(Topology::BridgeSlot& slot, PortId in, Packet frame) noexcept;
    [[nodiscard]] std::optional<Classified> admit(const Topology::BridgeSlot& slot, PortId in,
                                                  Packet& frame) noexcept;
    void forward_frame(Frame frame) noexcept;
    [[nodiscard]] bool use_bindings(Frame& frame) noexcept;
    [[nodiscard]] bool use_arp(Frame& frame) noexcept;
    [[nodiscard]] bool use_discovery(Frame& frame) noexcept;
    [[nodiscard]] std::optional<BindingTable::Binding> find_binding(const Frame& frame,
                                                                    const IpAddress& address) noexcept;
    void deliver_answer(Frame& frame, const BindingTable::Binding& known) noexcept;
    void remember(const Frame& frame, PortId out) noexcept;
    [[nodiscard]] bool can_be_carried(const Frame& frame, PortId out) noexcept;
    [[nodiscard]] bool is_plain(PortId port) noexcept;
    [[nodiscard]] bool is_untagged(const Topology::BridgeSlot& slot, PortId port, VlanId vlan) noexcept;
    void flood(Topology::BridgeSlot& slot, PortId in, Packet frame, const Classified& what) noexcept;
    void deliver_frame(Topology::BridgeSlot& slot, PortId in, PortId out, Packet frame,
                       const Classified& what) noexcept;
    void frame_to_peer(const Topology::BridgeSlot& slot, PortId in, Port& tunnel, Packet frame,
                       const Classified& what) noexcept;
    [[nodiscard]] bool is_foreign_source(PortId sender, const IpAddress& source) noexcept;
    void frame_to_leg(Topology::BridgeSlot& slot, PortId in, Port& leg, Packet frame,
                      const Classified& what) noexcept;

    // The datagram that is being routed: where it came from, and the flow that it belongs to.
    struct Trail {
        PortId from = no_port;  // a device or plain tunnel
        MacAddress station{};   // the addresses of its frame
        MacAddress gateway{};
        FlowTable::Place flow = FlowTable::no_place;
        PortId in = no_port;   // of the router
        PortId out = no_port;  // of the router
    };

    void close_trail(PortId to, const Frame* frame) noexcept;

    // Routed datagrams.
    void route_datagram(PortId in, PortId sender, Packet datagram) noexcept;
    void forward_datagram(PortId in, Packet datagram, const Classified& what) noexcept;
    [[nodiscard]] bool goes_around_isolation(const RouteVerdict& verdict, PortId in,
                                             const IpAddress& destination) noexcept;
    void deliver_datagram(PortId in, const RouteVerdict& verdict, Packet datagram) noexcept;
    [[nodiscard]] bool fragments_inside(PortId out) noexcept;
    void datagram_to_peer(PortId in, Port& tunnel, Packet datagram) noexcept;
    void datagram_to_leg(PortId in, Port& leg, const IpAddress& next_hop, Packet datagram) noexcept;
    void frames_from_leg(Port& leg, std::vector<Packet>& frames) noexcept;

    // Towards the underlay.
    struct Bound {
        PortId in;
        Peer* peer;
        TunnelPayload payload;
    };

    void to_peer(PortId in, const Port& tunnel, TunnelPayload payload) noexcept;
    void send_bound() noexcept;
    void send_to_peer(PortId in, Peer& peer, TunnelPayload payload) noexcept;
    void seal_to_peer(PortId in, Peer& peer, Port& tunnel, const TunnelPayload& payload) noexcept;
    void seal_segment(Peer& peer, Port& tunnel, const TunnelPayload& payload, const Segmenter& segments,
                      std::size_t index) noexcept;
    void pieces_to_peer(Peer& peer, Port& tunnel, const TunnelPayload& payload,
                        const Segmenter& segments) noexcept;
    void seal_pieces(Peer& peer, Port& tunnel, std::span<const std::uint8_t> inner, std::uint8_t next_header,
                     const FragmentPlan& plan) noexcept;
    void plain_to_peer(PortId in, Peer& peer, Port& tunnel, const TunnelPayload& payload) noexcept;
    void park(Peer& peer, Port& tunnel, TunnelPayload payload) noexcept;
    void want_session(Peer& peer) noexcept;
    void promote_next(Peer& peer) noexcept;
    void send_parked(Peer& peer) noexcept;
    void drop_parked(Peer& peer) noexcept;
    void send_dummy(Peer& peer) noexcept;

    // From the underlay.
    struct Arrived {
        const ReceivedTrain* train;
        std::span<const std::uint8_t> datagram;
        PeerTable::Found from;
    };

    struct Opened {
        Peer* peer;
        std::uint32_t session;  // its id, which is the larger the younger it is
        Spi spi;
        std::uint64_t sequence;
        std::uint8_t next_header;
        Packet packet;
    };

    void take_esp(const ReceivedTrain& train, std::span<const std::uint8_t> datagram) noexcept;
    void open_arrived() noexcept;
    void from_esp(const Arrived& arrived) noexcept;
    void from_vxlan(const ReceivedTrain& train, std::span<const std::uint8_t> datagram) noexcept;
    void from_control(const ReceivedTrain& train, std::span<const std::uint8_t> datagram) noexcept;
    void heard_from(Peer& peer, PeerSession& session, const Endpoint& from, bool newest, bool data) noexcept;
    void remind(Peer& peer, const Endpoint& from) noexcept;
    void deliver_opened() noexcept;
    [[nodiscard]] bool make_whole(Opened& opened) noexcept;
    void frame_from_peer(Port& tunnel, Vni vni, Packet frame) noexcept;
    void datagram_from_peer(const Peer& peer, Port& tunnel, Packet datagram) noexcept;

    void to_outbox(Port& port, Packet packet) noexcept;

    void take_carried() noexcept;
    [[nodiscard]] bool is_bridged_right(const FlowTable::Carried& flow, const CarriedSample& sample,
                                        Instant now) noexcept;

    // The paths to the peers (datapath_path.cpp).
    void from_message(Peer& peer, std::span<const std::uint8_t> message) noexcept;
    void send_message(Peer& peer, const ProbeMessage& message, std::size_t room) noexcept;
    void probe_path(Peer& peer) noexcept;
    void path_changed(Peer& peer, std::uint16_t settled_before) noexcept;
    void fit_to_path(Peer& peer) noexcept;
    void expire_fragments() noexcept;

    void count(PortId port, Drop drop, std::uint64_t packets = 1) noexcept {
        topology_.port(port).drops.add(drop, packets);
    }

    void report(Peer& peer) noexcept;
    bool emit(const Event& event) noexcept;
    void announce(const Event& learned) noexcept;

    PacketPool& pool_;
    Topology topology_;
    DenyList denied_;
    ControlGate gate_;
    Instant now_{};

    FlowTable flows_;
    Reassembler reassembler_;
    std::vector<std::vector<Packet>> port_outboxes_;  // by port id
    std::vector<PortId> ports_with_output_;
    Outbox underlay_outbox_;
    std::vector<Event> events_;
    DropCounters underlay_drops_;

    // Strangers can cause announcements: the rate is what honest stations of a large bridge need.
    static constexpr std::uint32_t announcements_per_second = 5000;
    bool announces_ = false;
    TokenBucket announcements_{announcements_per_second, announcements_per_second};

    // Scratch, empty between packets; here so that their capacity is kept.
    std::vector<Frame> frames_;
    std::vector<Arrived> arrived_;
    std::vector<Opened> opened_;
    std::vector<Bound> bound_;
    std::vector<Packet> fragments_;
    std::vector<Packet> leg_frames_;
    std::vector<Packet> unresolved_;
    Trail trail_;

    struct Hop {
        PortId leg;
        IpAddress address;
    };

    std::vector<Hop> hops_in_use_;
};

}  // namespace weft
