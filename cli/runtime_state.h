// What was added to a node at run time and outlives a restart of the daemon: ports, bridges, and the leases
// of its address pools.
//
//   file   STATE_DIR/NODE.json
//          {"version": 1, "ports": [...], "bridges": [...], "leases": [...]}
//   ports    each as the params of the method port_add
//   bridges  each as the params of bridge_add
//   leases   {"owner": "c1/eth0", "pool": "pods", "address": ["10.1.0.5/24", "fd00::5/64"]}, in the order in
//            which they were given
//
// A port or bridge is checked as config/read_port and config/read_bridge check one of the configuration: what
// it says about itself, not what it says about others. That its bridge is there, that no name, VNI or device
// is used twice on the node, is for whoever knows the node. Within a file no name and no owner stands twice.
//
// The file is read whole and strictly: one that is damaged, has an unknown key or another version is an error
// that names the file, the place in it, and the cure; it is left as it is. It is written whole, beside the
// old one, synced, and renamed: after a crash or a loss of power it is the old one or the new one.
//
// Errors: InvalidParams of single objects; std::runtime_error of the file. Owner: the control thread.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cli/address_pools.h"
#include "config/config.h"
#include "vswitch/system_call.h"

namespace weft {

struct RuntimePort {
    config::Port port;  // a veth
    std::map<std::string, std::string> labels;

    friend bool operator==(const RuntimePort&, const RuntimePort&) = default;
};

struct RuntimeBridge {
    config::Bridge bridge;

    friend bool operator==(const RuntimeBridge&, const RuntimeBridge&) = default;
};

struct RuntimeState {
    static constexpr int version = 1;

    std::vector<RuntimePort> ports;
    std::vector<RuntimeBridge> bridges;
    std::vector<Lease> leases;

    friend bool operator==(const RuntimeState&, const RuntimeState&) = default;

    // `file` is for messages.
    static RuntimeState parse(std::string_view text, const std::string& file);

    static RuntimeState load(const std::string& path);  // empty if there is no file
    void save(const std::string& path) const;
};

std::string runtime_state_path(const std::string& state_dir, const std::string& node);

// `path` is where the object stands, for messages; empty: it is the params of a method.
RuntimePort port_from_json(const nlohmann::json& params, const std::string& path = {});
RuntimeBridge bridge_from_json(const nlohmann::json& params, const std::string& path = {});
Lease lease_from_json(const nlohmann::json& object, const std::string& path = {});

// Everything that is not absent, defaults too: X_from_json(to_json(x)) == x.
nlohmann::json to_json(const RuntimePort& port);
nlohmann::json to_json(const RuntimeBridge& bridge);
nlohmann::json to_json(const Lease& lease);
nlohmann::json to_json(const RuntimeState& state);

// Of save(), which is all that happens while the node runs.
inline constexpr std::array runtime_state_system_calls{
    SystemCall{SYS_openat}, SystemCall{SYS_write}, SystemCall{SYS_fsync},
    SystemCall{sys_rename}, SystemCall{SYS_close},
};

}  // namespace weft
