// The control methods of the address pools (address_pools.h).
//
//   ipam_allocate  {"pool": "pods", "owner": "c1/eth0", "address": ["10.1.0.9"]}      address: may be absent
//                  -> {"address": ["10.1.0.9/24", "fd00::5/64"], "gateway": ["10.1.0.1", "fd00::1"]}
//   ipam_release   {"owner": "c1/eth0"}   -> {"released": true}     false: it had no lease
//   ipam           {}   -> {"pools": [{"pool": "pods", "prefix": "10.1.0.0/24", "size": 253, "used": 1,
//                                      "leases": [{"address": "10.1.0.9", "owner": "c1/eth0"}]}]}
//                  an entry for each network of each pool; `used` counts the addresses of ports as well
//
// Wrong params are an InvalidParams, what cannot be done a std::runtime_error. Nobody saves what has changed
// but the caller.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "cli/address_pools.h"

namespace weft {

nlohmann::json ipam_allocate(AddressPools& pools, const nlohmann::json& params);
nlohmann::json ipam_release(AddressPools& pools, const nlohmann::json& params);
nlohmann::json ipam(const AddressPools& pools);

}  // namespace weft
