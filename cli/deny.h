// Who is denied the underlay, as the control thread sees it: the prefixes of [underlay] deny and those that
// `weft deny` has added since, told to every worker; and the control methods that change them.
//
//   deny_add   {"prefix": "203.0.113.0/24"}   {"prefix": ..., "peers": ["site-b"]}: whom it shuts out as
//   well,
//                                             of those whose endpoint is configured as an address
//   deny_del   {"prefix": "203.0.113.0/24"}   {"prefix": ...}
//
// What cannot be done is an InvalidParams that says why. What was added by a command is gone at the next
// start. Everything that keeps a list of its own (a worker's datapath; a program in the kernel) gets it
// through `Tell`, change by change.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "config/config.h"
#include "vswitch/address.h"

namespace weft {

class DeniedSources {
  public:
    enum class Change : std::uint8_t { add, remove };
    using Tell = std::function<void(Change change, const Prefix& prefix)>;

    explicit DeniedSources(Tell tell) : tell_(std::move(tell)) {}

    bool add(const Prefix& prefix);     // false: it is denied already
    bool remove(const Prefix& prefix);  // false: it is not denied as such

    [[nodiscard]] const std::set<Prefix>& prefixes() const noexcept { return prefixes_; }

  private:
    Tell tell_;
    std::set<Prefix> prefixes_;
};

// The peers whose endpoint is configured to be an address in `prefix`.
std::vector<std::string> peers_within(const Prefix& prefix, const std::vector<config::Peer>& peers);

nlohmann::json deny_add(DeniedSources& denied, const std::vector<config::Peer>& peers,
                        const nlohmann::json& params);
nlohmann::json deny_del(DeniedSources& denied, const nlohmann::json& params);

}  // namespace weft
