// Routes that weft puts into the kernel's table of a TUN device's namespace, so that what is beyond the TUN
// is reached through it: the peers' prefixes, the bridges' gateway networks and configured routes that do not
// lead to that TUN. Never a default route: taking over a host's traffic is the administrator's decision.
//
// They disappear with the device; sync() after each change of the configuration keeps them true meanwhile.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "cli/keeper.h"
#include "config/config.h"
#include "vswitch/address.h"

namespace weft {

class KernelRoutes {
  public:
    // As Keeper::route().
    using Carry = std::function<std::set<Prefix>(const Keeper::Routes&)>;

    // Makes the kernel's routes over each TUN of `config` (with kernel_routes) what they should be. Throws
    // what `carry` throws.
    void sync(const config::Config& config, const Carry& carry);

    // Those of a TUN, and that another process has made them with it.
    [[nodiscard]] std::set<Prefix> installed(const std::string& tun) const;

    void adopt(const std::string& tun, std::set<Prefix> routes) { installed_[tun] = std::move(routes); }

    // The device is gone, and its routes with it.
    void forget(const config::Port& tun) { installed_.erase(tun.name); }

  private:
    std::map<std::string, std::set<Prefix>> installed_;  // by port name
};

// What should be routed over `tun`.
std::set<Prefix> routes_over(const config::Config& config, const config::Port& tun);

}  // namespace weft
