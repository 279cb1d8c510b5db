// What an ADD ends in, and what an IPAM plugin gives (CNI specification 1.1.0, section 5). An address's
// gateway is a fact, not an order: routes are told apart.
//
//    {"cniVersion": "1.1.0",
//     "interfaces": [{"name": "eth0", "mac": "02:..", "mtu": 1400, "sandbox": "/run/netns/x"}],
//     "ips":        [{"address": "10.1.0.5/24", "gateway": "10.1.0.1", "interface": 0}],
//     "routes":     [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}],
//     "dns":        {"nameservers": ["10.1.0.1"]}}
//
// Only the interface inside the container is listed: what lies outside of it is weftd's, by whatever name.
// Unless the configuration names an interface of the host that is on the bridge: it is listed before, without
// a sandbox, where plugins that come later look for the bridge of a bridge plugin.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cni/version.h"
#include "vswitch/address.h"
#include "vswitch/netlink.h"

namespace weft::cni {

struct Address {
    Prefix address;
    std::optional<IpAddress> gateway{};
};

using Route = Netlink::ViaRoute;

struct Allocation {
    std::vector<Address> addresses;
    std::vector<Route> routes;
    nlohmann::json dns = nlohmann::json::object();
};

struct Attachment {
    std::string ifname;
    std::string netns;
    std::string mac;
    unsigned mtu = 0;  // 0: not known
    Allocation network;

    struct HostInterface {
        std::string name;
        std::string mac;
    };

    std::optional<HostInterface> host{};
};

// What is malformed is a std::invalid_argument that names it.
Route parse_route(const nlohmann::json& route);
Allocation parse_allocation(const nlohmann::json& result);

// Behind the interfaces, addresses and routes of `previous`, a result of the same version, if there is one.
nlohmann::json to_result(const Attachment& attachment, Version version, const nlohmann::json& previous);

// The place of the interface in a result; nothing if it is not there. One that is not in a sandbox is another
// one.
std::optional<std::size_t> find_interface(const nlohmann::json& result, const std::string& name);

// The part of a result that is about that interface; routes do not say whose they are, and are all there.
Attachment parse_attachment(const nlohmann::json& result, std::size_t interface);

// Each family's default route, by the first gateway of that family.
std::vector<Route> default_routes(const std::vector<Address>& addresses);

}  // namespace weft::cni
