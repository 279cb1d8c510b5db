// Removals that wait for weftd. When a DEL comes while weftd does not answer, it is written down, and the
// next call of the plugin that reaches that weftd, whatever its verb and network, makes up for it: before
// anything else, so that an ADD of the same container cannot be undone by it later. If there is no next call,
// there is nobody who could miss the address.
//
//   the container's namespace is there    code 11: the device is, too, and the runtime may ask again
//   it is gone (or CNI_NETNS is empty)    success, as the specification wants it: the device has ended with
//   it,
//                                         and what remains is an entry and leases in weftd's state
//
// So no runtime is kept from letting go of a container until weftd is back (the kubelet would be), and one
// that does not ask again after a failure (podman) leaks nothing of weftd's. Addresses of another IPAM plugin
// are given back by the runtime's next DEL only: a port may still have them.
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
