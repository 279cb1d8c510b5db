#include "cli/tunnel_routes.h"

#include <algorithm>
#include <chrono>

namespace weft {

namespace {

using namespace std::chrono_literals;

constexpr Duration least_pause = 20ms;
constexpr int pause_for_work = 4;  // times as long as the asking took
constexpr Duration ask_anyway = 30s;

}  // namespace

TunnelRoutes::TunnelRoutes(Loop& loop, Workers& workers, FastPath& fast_path, const IpAddress& vxlan)
    : workers_(workers),
      fast_path_(fast_path),
      vxlan_(vxlan),
      pause_(loop,
             [this] {
                 if (ask_again_) ask_all();
             }),
      now_and_then_(loop, [this] { ask_all(); }),
      changes_(loop, watch_.descriptor(), [this](Poll::Events) {
          if (watch_.take()) changed();
      }) {}

void TunnelRoutes::start() {
    started_ = true;
    now_and_then_.start(ask_anyway, ask_anyway);
    changes_.watch({.readable = true});
    ask_all();
}

void TunnelRoutes::changed() {
    ask_again_ = true;
    if (!pause_.active()) ask_all();
}

void TunnelRoutes::located(PortId tunnel, const Endpoint& endpoint) {
    Known& known = peers_[tunnel];
    known.endpoint = endpoint;
    if (started_) ask(tunnel, known);
}

void TunnelRoutes::ask_all() {
    ask_again_ = false;
    const auto begun = std::chrono::steady_clock::now();
    for (auto& [tunnel, known] : peers_) ask(tunnel, known);
    const Duration took = std::chrono::steady_clock::now() - begun;
    pause_.start(std::max<Duration>(least_pause, pause_for_work * took));
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
    fast_path_.set_tunnel(tunnel, now);
    workers_.post_all([tunnel](Worker& worker) { worker.datapath().reconsider(tunnel); });
}

}  // namespace weft
