// What a node consists of, as the packet path sees it: ports, bridges, legs, peers, routes. The control side
// changes it between batches, object by object; the datapath walks it. Ids are handed out by the control side
// and index vectors here.
//
// Every port id, whatever is behind it, has a slot with its counters. A slot that is `absent` swallows
// nothing: packets to it are counted as Drop::no_route.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "overlay/peer_table.h"
#include "overlay/snapshot.h"
#include "vswitch/binding_table.h"
#include "vswitch/bridge.h"
#include "vswitch/gateway.h"
#include "vswitch/generations.h"
#include "vswitch/id.h"
#include "vswitch/port_guard.h"
#include "vswitch/router.h"

namespace weft {

struct Port {
    enum class Kind : std::uint8_t {
        absent,
        frame_device,     // TAP, packet socket: a member of a bridge
        datagram_device,  // TUN: a port of the router
        tunnel,           // a peer: a member of its bridges and a port of the router
        leg,              // the router on a bridge
    };

    PortId id;
    Kind kind = Kind::absent;
    BridgeId bridge;                         // frame_device, leg
    PeerId peer;                             // tunnel
    std::unique_ptr<Gateway> gateway;        // leg
    std::unique_ptr<const PortGuard> guard;  // frame_device, if its sources are checked
    TrafficCounters traffic;
    DropCounters drops;
};

struct BridgeOptions {
    std::optional<Vni> vni;
    MacTable::Limits limits;
    bool arp_suppress = false;  // it answers ARP and neighbor discovery for stations that it knows
};

struct FrameDeviceOptions {
    VlanFilter vlans = VlanFilter::all();
    bool isolated = false;                          // from the other isolated ones of its bridge
    std::optional<PortGuard> guard = std::nullopt;  // of what comes from it; absent: anything may
};

struct LegOptions {
    MacAddress mac;
    std::vector<Prefix> addresses;
    std::uint16_t mtu;
};

struct PeerOptions {
    bool encrypted = true;
    std::optional<Endpoint> endpoint{};
    std::vector<BridgeId> bridges{};
    std::vector<Prefix> prefixes{};
    std::uint16_t routed_mtu = 1280;          // of the tunnel, to begin with
    std::optional<std::uint16_t> path_mtu{};  // of the underlay towards it, to begin with; absent: any
    bool probes_path = false;                 // it answers probes, and knows packets in pieces
    Liveness::Options liveness;
    std::size_t replay_window = ReplayWindow::default_size;
};

class Topology {
  public:
    struct BridgeSlot {
        BridgeId id;
        std::optional<Vni> vni;
        Bridge bridge;
        std::unique_ptr<BindingTable> bindings;  // if it answers for its stations
    };

    void add_bridge(BridgeId id, const BridgeOptions& options);
    void remove_bridge(BridgeId id);  // its ports were removed before

    // In place: members and stations stay.
    void change_bridge(BridgeId id, const std::optional<Vni>& vni, Duration aging);

    void add_frame_device(PortId id, BridgeId bridge, const FrameDeviceOptions& options);
    void add_datagram_device(PortId id, const std::vector<Prefix>& addresses, std::uint16_t mtu);
    void add_leg(PortId id, BridgeId bridge, const LegOptions& options);
    void remove_port(PortId id);

    // Of a frame device; the stations behind it are forgotten.
    void change_vlans(PortId id, const VlanFilter& vlans);

    void add_peer(PeerId id, PortId port, const PeerOptions& options);
    void remove_peer(PeerId id);

    // What a peer may send to, and what is sent to it; its sessions stay. `from` is what it was.
    struct Reach {
        std::vector<BridgeId> bridges;
        std::vector<Prefix> prefixes;
    };

    void change_peer(PeerId id, const Reach& from, const Reach& to);

    void add_route(const Route& route);
    void remove_route(const Prefix& to);
    void set_mtu(PortId port, std::uint16_t mtu) noexcept;  // of the router's port

    // For the walk. A port id that was never added has an absent slot: no_port too.
    [[nodiscard]] Port& port(PortId id) noexcept {
        return id.value() < ports_.size() ? ports_[id.value()] : nowhere_;
    }

    [[nodiscard]] BridgeSlot& bridge(BridgeId id) noexcept { return *bridges_[id.value()]; }

    [[nodiscard]] BridgeSlot* find_bridge(BridgeId id) noexcept {
        return id.value() < bridges_.size() ? bridges_[id.value()].get() : nullptr;
    }

    [[nodiscard]] BridgeSlot* bridge_of(Vni vni) noexcept;

    [[nodiscard]] std::span<Port> ports() noexcept { return ports_; }

    [[nodiscard]] Router& router() noexcept { return router_; }

    [[nodiscard]] PeerTable& peers() noexcept { return peers_; }

    // Raised by every change here.
    [[nodiscard]] Generations& generations() noexcept { return generations_; }

    void expire_stations(Instant now) noexcept;

    // Ports, peers, stations, neighbors and routes; for display.
    [[nodiscard]] Snapshot snapshot(Instant now) const;

  private:
    Port& slot(PortId id, Port::Kind kind);
    void add_member(BridgeId bridge, const BridgeMember& member);
    static void remove_member(BridgeSlot& slot, PortId port);
    void bind_station(const Port& guarded, const VlanFilter& vlans);
    void stretch(const Peer& peer, const std::vector<BridgeId>& bridges);
    void route_to(const Peer& peer, const std::vector<Prefix>& prefixes);

    void changed(PortId id) noexcept { generations_.raise(Generations::of(id)); }

    // What is routed from or to a bridge depends on it by the policy.
    void changed(BridgeId id) noexcept {
        generations_.raise(Generations::of(id));
        changed_policy();
    }

    void changed_policy() noexcept { generations_.raise(Generations::policy); }

    Generations generations_;

    std::vector<Port> ports_;
    Port nowhere_;
    std::vector<std::unique_ptr<BridgeSlot>> bridges_;  // by id; null where there is none
    PeerTable peers_;
    Router router_;
};

}  // namespace weft
