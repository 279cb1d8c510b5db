// The links, switches and routers of a lab, without clock, devices and processes. Hosts and sites are
// outside: what they send comes in by send(), and what arrives for them is handed to `arrived`. The runner
// puts TAP devices there, and real time; the simulation puts traffic generators there, and virtual time.
//
//   a host -- send() --> wire -> switch or router (a Datapath of its own) -> wire -> ... -> wire -- arrived
//   --> a host
//
// A wire that does nothing hands a frame on at once, in the same call. What does not end, as frames in a loop
// of such wires, is cut off and counted.
//
// A link is connected while one of its directions is up. One that is down in both, be it by a switch, by its
// impairment or by the schedule of it, is a cable that was pulled: whoever has the ends may want to know.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "lab/topology.h"
#include "overlay/snapshot.h"
#include "vswitch/emulation/wire.h"
#include "vswitch/packet.h"

namespace weft::lab {

// ends[which] of a link.
struct EndId {
    LinkIndex link = 0;
    std::uint8_t which = 0;

    friend auto operator<=>(const EndId&, const EndId&) = default;
};

class Network {
  public:
    // Frames that have arrived for a host, site or real interface, at its end of a link. Takes them, and may
    // send().
    using Arrived = std::function<void(EndId end, std::vector<Packet>& frames, Instant now)>;

    // Sees each frame that begins its way on a wire, or has arrived (once for each super-frame).
    struct Sighting {
        LinkIndex link;
        Direction direction;
        bool arrived;
        Instant at;
        std::span<const std::uint8_t> frame;
        std::uint32_t original_size;
    };

    using Watcher = std::function<void(const Sighting&)>;

    // A link is connected now that was not, or the other way round. Neither sends nor advances.
    using Connected = std::function<void(LinkIndex link, bool connected)>;

    Network(const Topology& topology, PacketPool& pool, Instant start, Arrived arrived);
    ~Network();
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    // A host or site has sent them by its end of a link; consumes and clears `frames`.
    void send(EndId from, std::vector<Packet>& frames, Instant now);

    // Everything that is due by `now` happens, in order of time.
    void advance(Instant now);

    // When advance() has something to do next; Instant::max(): not before something is sent.
    [[nodiscard]] Instant next() const noexcept;

    void set(LinkIndex link, Direction direction, const Impairment& impairment, Instant now);
    void set_up(LinkIndex link, Direction direction, bool up, Instant now);

    [[nodiscard]] bool is_connected(LinkIndex link) const noexcept;

    [[nodiscard]] const Wire& wire(LinkIndex link, Direction direction) const noexcept;

    // Frames that have come out of all wires together.
    [[nodiscard]] std::uint64_t carried() const noexcept;

    // Frames that went round in a loop and were dropped for it.
    [[nodiscard]] std::uint64_t looped() const noexcept;

    // Of a switch or router; empty of any other node.
    [[nodiscard]] Snapshot snapshot(NodeIndex node, Instant now) const;

    void watch(Watcher watcher);  // {}: nobody does
    void watch_connections(Connected watcher);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weft::lab
