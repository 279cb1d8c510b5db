// Whether the fast path's programs carry packets at a port. The kernel drops in silence what they redirect to
// where it cannot go, so a packet of a flow of its own (probe_flow.h) is sent the whole way at once, before
// the port is in use: in by the port, through the program, and out by the port.
//
//   veth      what the container sends:            its end -> host end, veth_ingress -> its end
//   TAP, TUN  what this namespace sends by it:     the device, t?p_egress -> received by the device
//
// So the packet stays between weft's own devices. It takes what the sandbox does not give: it is for who
// makes the devices.
#pragma once

#include <optional>
#include <string>

#include "vswitch/port_hooks.h"

namespace weft {

// `device` is where its users see the port: in the container's namespace, or the TAP or TUN. Empty: it does;
// else why not. A tenth of a second if it does not; the packets then may have come out of weftd's TAP.
std::string try_port(const HookPrograms& programs, const PortHooks& port, const std::string& device,
                     const std::optional<std::string>& netns);

}  // namespace weft
