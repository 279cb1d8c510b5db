// What a runtime wants of one container: an address, a MAC address, what it is called. Three ways lead here
// (the specification's CONVENTIONS.md); the first that says something counts, for addresses and for the MAC
// alike:
//
//   1. runtimeConfig: {"ips": ["10.1.0.9/24"], "mac": "02:00:00:00:00:09"}, if the configuration's
//   capabilities offer it
//   2. args: {"cni": {"ips": [..], "mac": "..", "labels": [{"key": "app", "value": "web"}]}}
//   3. CNI_ARGS: "IP=10.1.0.9;MAC=02:00:00:00:00:09;K8S_POD_NAME=web-0"
//
// Every variable of CNI_ARGS that begins with K8S_ becomes a label, so does each label of args, and each port
// has cni.network, cni.container and cni.ifname. Other variables are refused (code 4) unless IgnoreUnknown is
// true.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cni/request.h"
#include "vswitch/address.h"

namespace weft::cni {

using Labels = std::map<std::string, std::string>;

struct Wishes {
    std::vector<IpAddress> addresses;
    std::optional<MacAddress> mac;
    Labels labels;
};

// Throws Error with code 4 (CNI_ARGS) or 7.
Wishes read_wishes(const Request& request);

// What tells the attachment from all others.
Labels identity(const Request& request);

}  // namespace weft::cni
