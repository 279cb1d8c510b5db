// Names and identities that others remember, or that a later start must find again: derived from the names of
// node and object (FNV-1a), so stable over restarts and different for each.
#pragma once

#include <string>
#include <string_view>

#include "vswitch/address.h"

namespace weft {

// Locally administered and unicast. `object` says the kind too: "port a1".
MacAddress derived_mac(const std::string& node, const std::string& object);

// `prefix` of five letters, and ten digits: as long as a device's name may be.
std::string derived_device(std::string_view prefix, const std::string& node, const std::string& object);

}  // namespace weft
