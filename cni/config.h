// The network configuration, as far as it is weft's: docs/containers.md has a line for each key.
//
//    {"cniVersion": "1.1.0", "name": "pods", "type": "weft", "bridge": "pods", "mtu": 1400, "vlan": 10,
//     "isolated": false, "spoofCheck": true, "control": "/run/weft/site-a.sock", "dataDir":
//     "/var/lib/cni/weft", "hostInterface": "pods0", "dns": {"nameservers": ["10.1.0.1"]}, "ipam": {"type":
//     "weft", "pool": "pods", "routes": [{"dst": "0.0.0.0/0"}]}}
//
// What weft would have to ignore is refused (code 2), as a misspelt "isolated" would be an open door. DEL and
// GC refuse nothing, so that what is there can be taken away: they read name, control, dataDir and ipam.type.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cni/request.h"
#include "cni/result.h"

namespace weft::cni {

struct NetworkConfig {
    std::string bridge;
    std::string control;  // empty: as the command `weft` finds it
    std::string data_folder = "/var/lib/cni/weft";
    std::optional<std::uint16_t> mtu;
    std::optional<std::uint16_t> vlan;
    std::optional<bool> isolated;
    std::string host_interface;  // empty: none is told of
    bool spoof_check = true;     // false with dhcp: weftd does not come to know the address
    nlohmann::json dns = nlohmann::json::object();

    struct Ipam {
        std::string plugin;  // empty: weftd's own
        std::string pool;    // of weftd's own; the bridge if nothing is said
        bool names_routes = false;
        std::vector<Route> routes;
    } ipam;
};

// All that is wrong at once: Error with code 7, or 2 if it is nothing but unsupported fields.
NetworkConfig read_config(const Request& request);

// For DEL and GC: what is malformed is as if it were not there.
NetworkConfig read_config_for_removal(const Request& request);

}  // namespace weft::cni
