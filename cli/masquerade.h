// Bridges with `masquerade = true`, towards the host: the nftables table of the node (vswitch/nat_table.h),
// and the kernel's forwarding. The port and the routes that lead to the host are in the configuration already
// (config/outside.h). All in weftd's own network namespace, by the keeper, which has the privileges.
//
// The table ends with this object, or with the process.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "vswitch/nat_table.h"

namespace weft {

class Masquerade {
  public:
    // Makes the host's rules these, or none. Returns what stands in the way of the bridges. Throws if the
    // table cannot be installed.
    std::vector<std::string> sync(const std::optional<NatRules>& rules);

  private:
    std::unique_ptr<NatTable> table_;
    NatRules installed_;
};

// The rules for `config`; nothing: no bridge is masqueraded.
std::optional<NatRules> nat_rules(const config::Config& config);

}  // namespace weft
