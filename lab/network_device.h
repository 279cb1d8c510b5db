// A switch or a router of a lab: a Datapath of its own, and at which end of a link each of its ports is.
//
//   switch   one bridge; a port for each of its links
//   router   for each of its links a bridge of its own with two members: the port, and the router's leg
//
//       link -- port 0 - bridge 0 - leg 1 --+
//       link -- port 2 - bridge 1 - leg 3 --+-- the router
//
// Small tables: a lab has many. tick() is wanted often while there is traffic, seldom while there is
// something to age, and then not at all, so that an idle lab sleeps.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "lab/network.h"
#include "lab/topology.h"
#include "overlay/datapath.h"

namespace weft::lab {

class NetworkDevice {
  public:
    // `lab` names the lab: addresses that nobody has given are derived from it.
    NetworkDevice(std::string_view lab, const Node& node, PacketPool& pool);

    PortId attach(EndId where, const LinkEnd& end);

    // Of a router, when all its ends are attached.
    void add_routes(const Node& node);

    // Consumes the frames. What comes out stands in output().
    void receive(PortId in, std::span<Packet> frames, Instant now) noexcept;
    void tick(Instant now) noexcept;

    // Instant::max(): not before it has received something.
    [[nodiscard]] Instant next_tick() const noexcept { return next_tick_; }

    // Calls take(EndId, std::vector<Packet>&) for each port that has something to send, and leaves nothing.
    template <class Take>
    void output(Take take) {
        for (const PortId port : datapath_.ports_with_output()) {
            std::vector<Packet>& outbox = datapath_.port_outbox(port);
            take(ends_[port.value()], outbox);
            outbox.clear();
        }
        datapath_.flushed();
        datapath_.events().clear();
    }

    [[nodiscard]] Datapath& datapath() noexcept { return datapath_; }

    [[nodiscard]] const Datapath& datapath() const noexcept { return datapath_; }

  private:
    void attach_to_router(PortId port, const LinkEnd& end);

    Datapath datapath_;
    bool is_router_;
    Duration forgets_after_;
    std::vector<EndId> ends_;  // by port
    Instant last_received_{};
    Instant next_tick_ = Instant::max();
};

}  // namespace weft::lab
