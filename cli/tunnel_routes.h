// Which way plain peers are reached, for the fast path: out by which device, from which address. The kernel's
// routes say so. They are asked when a peer is located and whenever the kernel tells that its routing has
// changed: the first change at once, those that follow closely together, after a pause that leaves the
// control thread most of its time, however many peers and changes there are. A slow timer is for what the
// kernel does not tell (a setting of sysctl).
//
// Until then what the kernel sends to a peer goes by the old device, and by the route that it has there.
// Flows that are given to the fast path later have the new way; those that it has are made to miss by their
// workers.
//
// Owner: the control thread.
#pragma once

#include <map>
#include <optional>

#include "cli/loop.h"
#include "cli/workers.h"
#include "vswitch/fast_path.h"
#include "vswitch/netlink.h"
#include "vswitch/route_watch.h"

namespace weft {

class TunnelRoutes {
  public:
    // `vxlan`: what the node's socket for it is bound to.
    TunnelRoutes(Loop& loop, Workers& workers, FastPath& fast_path, const IpAddress& vxlan);

    // The workers have their parts of the fast path.
    void start();

    void located(PortId tunnel, const Endpoint& endpoint);

    void forget(PortId tunnel) { peers_.erase(tunnel); }

  private:
    struct Known {
        Endpoint endpoint;
        std::optional<FastPath::Tunnel> told;
    };

    void changed();
    void ask_all();
    void ask(PortId tunnel, Known& known);

    Workers& workers_;
    FastPath& fast_path_;
    IpAddress vxlan_;
    Netlink netlink_;
    RouteWatch watch_;
    std::map<PortId, Known> peers_;
    bool started_ = false;
    bool ask_again_ = false;  // after the pause
    Timer pause_;
    Timer now_and_then_;
    Poll changes_;
};

}  // namespace weft
