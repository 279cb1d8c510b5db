// Whether the kernel's routing has changed: links, IPv4 addresses, routes, rules and next hops, as rtnetlink
// tells them to who listens. What has changed is not told here: whoever needs it asks (netlink.h).
//
// Owner: one thread. Opening it takes what the sandbox does not give; it is about the network namespace that
// its thread was in then.
#pragma once

#include <array>

#include "vswitch/system.h"
#include "vswitch/system_call.h"

namespace weft {

class RouteWatch {
  public:
    // Throws std::runtime_error.
    RouteWatch();

    // Readable when something has changed. Non-blocking.
    [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }

    // Takes what was told, a bounded part of it: readable again if there is more. True: something has
    // changed, or more than the socket could hold.
    bool take() noexcept;

  private:
    Descriptor socket_;
};

inline constexpr std::array route_watch_system_calls{
    SystemCall{SYS_recvmsg},
    SystemCall{SYS_close},
};

}  // namespace weft
