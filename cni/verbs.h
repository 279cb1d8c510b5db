// What the plugin does for each verb. Each returns what is printed on success (null: nothing) or throws an
// Error.
//
// ADD  1. addresses from IPAM  2. weftd makes the port: a veth in the container's namespace with addresses,
// MAC, MTU, up
//      3. the plugin adds the routes there. (dhcp: 2, 1, then addresses and routes.) What has been done when
//      something fails is undone, last first, if it was this ADD that did it. The same ADD again gives the
//      same result. In a chain weft makes an interface and so comes first. Behind others it adds to their
//      result, unless they have made CNI_IFNAME already: that is code 7.
// DEL  takes the port away, then the addresses (dhcp: the other way round). What is not there is no error.
// While weftd does not
//      answer: see cni/pending.h.
// CHECK  weftd has the port, on that bridge, with what prevResult says; so has the namespace; IPAM's own
// check. GC   takes away this network's ports and leases that are not in cni.dev/valid-attachments. Goes on
// after a failure, and
//      reports them all.
// STATUS  50: weftd does not answer, or has no address to give. 51: weftd answers, but has lost the ports'
// bridge. An
//      IPAM plugin's own STATUS.
//
// Longest: ten seconds for weftd, ten for each run of an IPAM plugin, of which an ADD that fails has two.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "cni/request.h"

namespace weft::cni {

nlohmann::json add(const Request& request);
nlohmann::json del(const Request& request);
nlohmann::json check(const Request& request);
nlohmann::json collect_garbage(const Request& request);
nlohmann::json status(const Request& request);
nlohmann::json version(const Request& request);

nlohmann::json run(const Request& request);

}  // namespace weft::cni
