// The node's fast path (vswitch/fast_path.h) from the side of the control thread: whether there is one, which
// ports it has, and when the worker gets it. Opened while the daemon still has its privileges; after start()
// it is the worker's.
//
// There is one only for a node of one worker: each flow has one owner, who decides and counts. Who asks for
// more with mode = "xdp" has the early drop at least (uplink_guard.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cli/uplinks.h"
#include "cli/workers.h"
#include "config/config.h"
#include "vswitch/fast_path.h"
#include "vswitch/id.h"

namespace weft {

class Offloading {
  public:
    // Throws std::runtime_error if it is to be there and cannot.
    void open(const config::FastPath& wanted, unsigned workers, std::uint16_t vxlan_port);

    // "tc", or "off".
    [[nodiscard]] std::string mode() const { return path_ || workers_ != nullptr ? "tc" : "off"; }

    // Empty if there is one.
    [[nodiscard]] const std::string& why_not() const noexcept { return why_not_; }

    // Null: there is none, or the worker has it already.
    [[nodiscard]] FastPath* path() noexcept { return path_.get(); }

    // What the keeper has put at the port's devices.
    void add(PortId port, PortHooks hooks);

    // By which plain peers' packets come in. Logs if it cannot be had.
    void add_uplink(const Uplink& uplink);

    // Off: flows that come in there stay in the daemon.
    void set_enabled(PortId port, bool enabled);

    // The worker has it from now on. Logs what has become of it.
    void start(Workers& workers);

  private:
    std::unique_ptr<FastPath> path_;
    Workers* workers_ = nullptr;  // from start() on
    std::string why_not_;
};

}  // namespace weft
