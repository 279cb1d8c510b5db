#include "cli/tunnel_routes.h"

namespace weft {

namespace {

using namespace std::chrono_literals;

constexpr Duration ask_interval = 1s;

}  // namespace

TunnelRoutes::TunnelRoutes(Loop& loop, Workers& workers, const IpAddress& vxlan)
    : workers_(workers), vxlan_(vxlan), timer_(loop, [this] { ask_all(); }) {}

void TunnelRoutes::start() {
    timer_.start(ask_interval, ask_interval);
    ask_all();
}

void TunnelRoutes::located(PortId tunnel, const Endpoint& endpoint) {
    Known& known = peers_[tunnel];
    known.endpoint = endpoint;
    if (timer_.active()) ask(tunnel, known);
}

void TunnelRoutes::ask_all() {
    for (auto& [tunnel, known] : peers_) ask(tunnel, known);
}

// A peer that is not reached, or not in one way alone, has no flows: of a tunnel without a device.
void TunnelRoutes::ask(PortId tunnel, Known& known) {
    FastPath::Tunnel now{.local = vxlan_, .remote = known.endpoint};
    if (const auto way = netlink_.way_to(known.endpoint.address)) {
        now.device = static_cast<unsigned>(way->device);
        if (vxlan_.is_unspecified() && way->source) now.local = *way->source;
    }
    if (now.local.is_unspecified()) now.device = 0;
    if (known.told == now) return;
    known.told = now;
    workers_.post(0, [tunnel, now](Worker& worker) { worker.set_tunnel(tunnel, now); });
}

}  // namespace weft
