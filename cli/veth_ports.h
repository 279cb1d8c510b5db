// The node's veth ports: which of them are veth pairs (vswitch/device/veth.h), and which fall back to a TAP
// in the container's namespace. A pair without something faster than weft between its ends costs each packet
// one more walk through the kernel, so it is made only if there is a fast path, which patches it, or if
// somebody wants the pair as such (patch = "tc").
//
// Owner: the control thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/link_keeper.h"
#include "cli/offloading.h"
#include "config/config.h"
#include "vswitch/address.h"
#include "vswitch/device/device.h"

namespace weft {

class VethPorts {
  public:
    struct Wanted {
        const std::string& node;
        PortId id;
        const config::Port& port;
        std::uint16_t mtu;
        const MacAddress& mac;
        unsigned queues;  // one for each worker
    };

    // Logs what has become of the port. Throws as VethPort and open_tuntap do.
    std::vector<std::unique_ptr<Device>> open(const Wanted& wanted, Offloading& offloading);

    // The port's queues are being closed; nothing happens if it is no pair.
    void close(const config::Port& port);

  private:
    std::optional<LinkKeeper> keeper_;              // of all host ends, from the first one on
    std::map<std::string, std::string> host_ends_;  // by port
};

}  // namespace weft
