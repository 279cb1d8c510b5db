// Whether the fast path's program at an uplink carries what plain peers send, and what would be sent to them.
// In: a VXLAN packet from nobody (probe_flow.h) is written to a TAP that is made for it, given to the uplink
// as if it had received it, by a redirect, and has to come out of the TAP without its outer headers.
//
//   TAP -- patch_ingress --> received by the uplink, uplink_ingress -- a flow --> sent by the TAP
//
// Out: a real packet would go into the user's network. So the program is run on one without sending it
// (BPF_PROG_TEST_RUN), and what has become of it is compared. That the kernel then finds a route and a
// neighbor is not tried: it is what it does for every socket.
#pragma once

#include <expected>
#include <string>

#include "vswitch/fast_path_kernel.h"

namespace weft {

// An uplink that is down cannot be tried, and passes. Needs the privileges of the start; the kernel's next
// hop 0 must not be in use.
std::expected<void, std::string> try_uplink(FastPathKernel& kernel, unsigned uplink);

}  // namespace weft
