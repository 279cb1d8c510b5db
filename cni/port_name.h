// The name of an attachment's port, and the owner of its leases.
//
// A port is called "cni-" and eleven digits of base 32, 15 bytes as for an interface: 55 bits of a hash over
// network, container and interface, the same in every version of weft. Of ten thousand attachments two share
// a name with a probability of one in 700 million, and then weftd refuses the second. An owner is
// "NETWORK/CONTAINER/IFNAME", of which no part may hold a '/'.
#pragma once

#include <string>
#include <string_view>

#include "cni/request.h"

namespace weft::cni {

std::string port_name(std::string_view network, std::string_view container, std::string_view ifname);
std::string lease_owner(std::string_view network, std::string_view container, std::string_view ifname);

inline std::string port_name(const Request& request) {
    return port_name(request.network, request.container, request.ifname);
}

inline std::string lease_owner(const Request& request) {
    return lease_owner(request.network, request.container, request.ifname);
}

}  // namespace weft::cni
