// The network namespaces of a lab's hosts and sites. Each has its name in /run/netns of the lab's own mount
// namespace, as `ip netns` has it. Made and entered by the one thread that calls.
#pragma once

#include <string>

#include "lab/topology.h"
#include "vswitch/system.h"

namespace weft::lab {

// The thread's network namespace, to come back to.
class Home {
  public:
    Home();
    ~Home();  // comes back; aborts if that fails
    Home(const Home&) = delete;
    Home& operator=(const Home&) = delete;

  private:
    Descriptor home_;
};

// Makes /run/netns/NAME, and the thread is in it from now on. Its loopback is up.
void enter_new_namespace(const std::string& name);

// That of a node which has been made.
void enter_namespace(const std::string& name);

// "net.ipv4.ip_forward" of the namespace that the thread is in.
void set_sysctl(const std::string& key, const std::string& value);

// Whether the route leads by one of these interfaces.
bool leads_by(const HostRoute& route, const std::vector<LinkEnd>& interfaces);

// By interfaces that are there, links' or those that a site has made. In the namespace that the thread is in.
void add_routes(const std::vector<HostRoute>& routes);

}  // namespace weft::lab
