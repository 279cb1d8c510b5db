// What is added to a node while it runs: ports and bridges (port_add, bridge_add), and the addresses of its
// pools (ipam.h). It is in the state file before it is acknowledged (runtime_state.h), and comes back when
// the daemon starts again; the pair of such a port outlives the daemon, so that who lives in its namespace
// keeps interface, addresses and routes.
//
//   port_add      a port of type veth, with the keys of the configuration; "labels": {...} to find it by
//                 -> {"name", "device", "bridge", "mtu", "mac", "address": [...], "gateway": [...]}
//                 the same port again: the same answer. Another one of the name: an error
//   port_del      {"name"} -> {"removed": bool}     also the leases of its addresses
//   bridge_add    a bridge, with the keys of the configuration -> {"name"};   bridge_del as port_del
//   runtime_ports -> {"ports": [{"name", "netns", "device", "bridge", "mac", "mtu", "address", "labels"}]}
//
// Owner: the control thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "cli/address_pools.h"
#include "cli/report.h"
#include "cli/runtime_state.h"
#include "config/config.h"

namespace weft {

class Runtime {
  public:
    // Changes the node; throws std::runtime_error.
    struct Node {
        std::function<void(const config::Port&)> add_port;
        std::function<void(const std::string&)> remove_port;
        std::function<void(const config::Bridge&)> add_bridge;
        std::function<void(const std::string&)> remove_bridge;
        std::function<const config::Config&()> config;     // in force
        std::function<PortInfo(const std::string&)> port;  // as it has become
    };

    explicit Runtime(Node node) : node_(std::move(node)) {}

    // Makes what was added before an earlier end. What is gone meanwhile, with its namespace, is forgotten;
    // what cannot be had for another reason is told by the log.
    void begin(const std::string& state_dir);

    // Puts what was added here into a configuration that is to be applied. Throws std::runtime_error if the
    // two contradict each other.
    void complete(config::Config& next) const;

    // The configuration in force is another one.
    void changed();

    nlohmann::json port_add(const nlohmann::json& params);
    nlohmann::json port_del(const nlohmann::json& params);
    nlohmann::json bridge_add(const nlohmann::json& params);
    nlohmann::json bridge_del(const nlohmann::json& params);
    [[nodiscard]] nlohmann::json runtime_ports() const;
    nlohmann::json ipam_allocate(const nlohmann::json& params);
    nlohmann::json ipam_release(const nlohmann::json& params);
    [[nodiscard]] nlohmann::json ipam() const;

  private:
    void check(const RuntimePort& wanted) const;
    void save();
    void release_leases(const config::Port& port);
    [[nodiscard]] nlohmann::json describe(const RuntimePort& port) const;

    Node node_;
    std::string path_;
    RuntimeState state_;
    AddressPools pools_;
    std::vector<std::pair<std::string, IpAddress>> reserved_;  // of ports, by pool
};

}  // namespace weft
