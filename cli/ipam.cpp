#include "cli/ipam.h"

#include <array>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/params.h"
#include "config/report.h"

namespace weft {

using nlohmann::json;

namespace {

constexpr std::array allocate_keys{
    Param{"pool", true, R"("pool": "pods")"},
    Param{"owner", true, R"("owner": "c1/eth0")"},
    Param{"address", false, R"("address": ["10.10.0.11"])"},
};

constexpr std::array release_keys{Param{"owner", true, R"("owner": "c1/eth0")"}};

// Params know that it is there.
std::string required(const Params& params, std::string_view key) {
    return params.text(key).value_or(std::string{});
}

std::vector<IpAddress> wanted_addresses(const Params& params) {
    std::vector<IpAddress> addresses;
    for (const std::string& written : params.texts("address")) {
        const auto address = IpAddress::parse(written);
        if (!address) {
            Params::refuse(params.place("address", addresses.size()),
                           {fmt::format("{} is not an address", config::quoted(written)),
                            "write it without a prefix length, as in \"10.10.0.11\""});
        }
        addresses.push_back(*address);
    }
    return addresses;
}

json to_json(const AddressPools::Usage& usage) {
    json leases = json::array();
    for (const auto& [address, owner] : usage.given)
        leases.push_back({{"address", address.to_string()}, {"owner", owner}});
    return {{"pool", usage.pool},
            {"prefix", usage.network.to_string()},
            {"size", usage.size},
            {"used", usage.used},
            {"leases", std::move(leases)}};
}

}  // namespace

json ipam_allocate(AddressPools& pools, const json& object) {
    const Params params{object, allocate_keys};
    const auto allocation =
        pools.allocate(required(params, "pool"), required(params, "owner"), wanted_addresses(params));
    if (!allocation) throw std::runtime_error(config::printable(allocation.error()));
    json result{{"address", json::array()}, {"gateway", json::array()}};
    for (const auto& address : allocation->addresses) result["address"].push_back(address.to_string());
    for (const auto& gateway : allocation->gateways) result["gateway"].push_back(gateway.to_string());
    return result;
}

json ipam_release(AddressPools& pools, const json& object) {
    const Params params{object, release_keys};
    return {{"released", pools.release(required(params, "owner"))}};
}

json ipam(const AddressPools& pools) {
    json list = json::array();
    for (const auto& usage : pools.usage()) list.push_back(to_json(usage));
    return {{"pools", std::move(list)}};
}

}  // namespace weft
