// The node's fast path (vswitch/fast_path.h): whether there is one, which ports it has, and when the workers
// get their parts of it. Opened while the daemon still has its privileges. Ports and tunnels stay the control
// thread's; each worker has the flows of its own flow table.
#pragma once

#include <cstdint>
#include <map>
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
    [[nodiscard]] std::string mode() const { return path_ ? "tc" : "off"; }

    // Empty if there is one.
    [[nodiscard]] const std::string& why_not() const noexcept { return why_not_; }

    // Null: there is none.
    [[nodiscard]] FastPath* path() noexcept { return path_.get(); }

    // What the keeper has put at the port's devices. Logs if it does not carry flows.
    void add(PortId port, const std::string& name, PortHooks hooks);

    // A device's, or a tunnel's. The workers have to be told after that the port is gone.
    void remove(PortId port);

    // By which plain peers' packets come in. Logs if it cannot be had, or carries no flows.
    void add_uplink(const Uplink& uplink);

    // Where no flow is carried although there is a fast path, and why: "port c1", "uplink eth0".
    [[nodiscard]] const std::map<std::string, std::string>& failed_paths() const noexcept { return failed_; }

    // Off: flows that come in there stay in the daemon.
    void set_enabled(PortId port, bool enabled);

    // No flow from it or to it goes past the daemon; those that do must be made to miss.
    void set_impaired(PortId port, bool impaired);

    // The workers have their parts from now on. Logs what has become of it.
    void start(Workers& workers);

  private:
    std::unique_ptr<FastPath> path_;
    std::string why_not_;
    std::map<std::string, std::string> failed_;
    std::map<PortId, std::string> failed_ports_;  // as they are called there
};

}  // namespace weft
