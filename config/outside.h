// What `masquerade = true` of a bridge implies, written out as if it stood in the file, so that whoever runs
// a Config knows nothing of it:
//
//   [[port]]  name = "weft-out", type = "tun"       unless there is a tun port in weftd's own namespace
//   [[route]] to = "0.0.0.0/0", port = that one     unless something else is routed there, and
//   [[route]] to = "::/0",      port = that one     only for the families of the masqueraded gateways
//
// The TUN is where datagrams pass from weft's router to the host's own stack, which forwards and masquerades
// them (vswitch/nat_table.h). It has no address: a gateway's is answered for by the router, and what the host
// itself sends into weft's networks goes out under an address that the host has already, and that the default
// route leads back to. The way from the host into weft's networks is a tun port's kernel routes.
//
// Limits. Two nodes in one network namespace cannot both have a device of this name: one of them has a tun
// port of its own in its file.
#pragma once

#include "config/config.h"

namespace weft::config {

// The name of the implied port and of its device.
inline constexpr const char* outside_port = "weft-out";

// `config` is valid.
void add_outside(Config& config);

// The tun port by which masqueraded bridges reach the host: the first in weftd's own namespace; null if there
// is none.
const Port* find_outside(const Config& config) noexcept;

}  // namespace weft::config
