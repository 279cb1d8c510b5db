// Which way plain peers are reached, for the fast path: out by which device, from which address. The kernel's
// routes say so; they are asked when a peer is located, and again every second. What the kernel sends to a
// peer meanwhile goes by the old device, and by the route that it has there.
//
// Owner: the control thread. Worker 0 is told.
#pragma once

#include <map>
#include <optional>

#include "cli/loop.h"
#include "cli/workers.h"
#include "vswitch/fast_path.h"
#include "vswitch/netlink.h"

namespace weft {

class TunnelRoutes {
  public:
    // `vxlan`: what the node's socket for it is bound to.
    TunnelRoutes(Loop& loop, Workers& workers, const IpAddress& vxlan);

    // Worker 0 has its fast path now.
    void start();

    void located(PortId tunnel, const Endpoint& endpoint);

    void forget(PortId tunnel) { peers_.erase(tunnel); }

  private:
    struct Known {
        Endpoint endpoint;
        std::optional<FastPath::Tunnel> told;
    };

    void ask_all();
    void ask(PortId tunnel, Known& known);

    Workers& workers_;
    IpAddress vxlan_;
    Netlink netlink_;
    std::map<PortId, Known> peers_;
    Timer timer_;
};

}  // namespace weft
