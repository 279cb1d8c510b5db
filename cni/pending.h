// Removals that wait for weftd. When a DEL comes while weftd does not answer:
//
//   the container's namespace is there   code 11: nothing is lost, and the runtime asks again
//   it is gone (or CNI_NETNS is empty)   the removal is written down, and the DEL has succeeded
//
// In the second case the device has ended with its namespace; what remains is an entry and leases in weftd's
// state. The specification wants success then, and some runtimes (podman) would not ask again; others (the
// kubelet) could not let go of the container until weftd is back. The next call of the plugin that reaches
// that weftd, whatever its verb and network, makes up for what was written down: so an ADD of the same
// container cannot be undone by it later. If there is no next call, there is nobody who could miss the
// address.
//
// A removal is a file of one JSON object in "dataDir" of the configuration, named after the port; an flock()
// on the folder keeps two plugins from doing the same at a time. At most 4096 wait; beyond that a DEL fails
// with code 11 again.
#pragma once

#include <string>

#include "cni/config.h"
#include "cni/daemon.h"
#include "cni/request.h"

namespace weft::cni {

// Throws Error with code 11 if it cannot be written down.
void write_down_removal(const Request& request, const NetworkConfig& config);

// Makes up for what waits for the daemon of this configuration. What fails stays for the next call; nothing
// is thrown.
void settle_pending(const NetworkConfig& config, Daemon& daemon) noexcept;

}  // namespace weft::cni
