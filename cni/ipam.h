// Where an attachment's addresses come from: weftd's own pools, or another CNI plugin that is named in
// ipam.type. The same questions for both; what goes wrong is an Error.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cni/arguments.h"
#include "cni/config.h"
#include "cni/daemon.h"
#include "cni/request.h"
#include "cni/result.h"

namespace weft::cni {

// A container and an interface in it.
using Key = std::pair<std::string, std::string>;

class Ipam {
  public:
    Ipam() = default;
    virtual ~Ipam() = default;
    Ipam(const Ipam&) = delete;
    Ipam& operator=(const Ipam&) = delete;

    // The routes among it are those that the configuration or the plugin asks for; none asked for: each
    // family's default route.
    virtual Allocation allocate(const Wishes& wishes) = 0;

    // Also if there is nothing to release.
    virtual void release() = 0;

    virtual void check() = 0;

    // Takes back what belongs to the network and to none of `valid`; `removed` had ports until now.
    virtual void collect(const std::vector<Key>& valid, const std::vector<Key>& removed) = 0;

    // Throws if an allocation would fail.
    virtual void probe() = 0;

    // It talks through the container's interface, which must be there before.
    [[nodiscard]] virtual bool needs_interface() const { return false; }
};

// What it is given must outlive it.
std::unique_ptr<Ipam> make_ipam(const Request& request, const NetworkConfig& config, Daemon& daemon);

}  // namespace weft::cni
