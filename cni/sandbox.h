// The container's network namespace, seen from outside: what weftd has put there is looked at, and what is
// the plugin's own to do is done, routes above all. Each function enters the namespace and comes back
// (vswitch/netns.h).
#pragma once

#include <string>
#include <vector>

#include "cni/result.h"

namespace weft::cni {

enum class NetnsState {
    there,
    gone,     // no path, nothing under it, or a file that is no namespace any more
    our_own,  // the one that the plugin runs in
};

NetnsState look_at_netns(const std::string& path);

// Throws Error with code 7 if the host has none of this name.
Attachment::HostInterface find_host_interface(const std::string& name);

// Addresses that weftd was not told of; one that the interface has already stays.
void add_addresses(const std::string& netns, const std::string& ifname,
                   const std::vector<Address>& addresses);

// A gateway that no address of the interface reaches is taken to be on the link. Of two routes to the same
// prefix the first stays: another network may have the default route already. Those that lead through the
// interface now are returned. Throws Error with code 101.
std::vector<Route> add_routes(const std::string& netns, const std::string& ifname, const Allocation& network);

// What is not as `expected` says, in words; nothing: all is as it should be. An empty `mac` and an MTU of 0
// are not compared.
std::vector<std::string> differences(const Attachment& expected);

}  // namespace weft::cni
