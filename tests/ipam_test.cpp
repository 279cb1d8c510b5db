#include "cli/ipam.h"

#include <stdexcept>
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "cli/render.h"
#include "cli/rpc.h"

using namespace weft;
using nlohmann::json;

namespace {

AddressPools two_families() {
    AddressPools pools;
    pools.set_pool("pods", {*Prefix::parse("10.1.0.1/24"), *Prefix::parse("fd00::1/64")});
    return pools;
}

template <class Function>
std::string refusal(Function&& function) {
    try {
        function();
    } catch (const InvalidParams& error) {
        return std::string{"params: "} + error.what();
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("addresses are given with their lengths and their gateways, once for an owner") {
    auto pools = two_families();
    const json expected{{"address", {"10.1.0.9/24", "fd00::2/64"}}, {"gateway", {"10.1.0.1", "fd00::1"}}};
    CHECK(ipam_allocate(pools, {{"pool", "pods"}, {"owner", "c/eth0"}, {"address", {"10.1.0.9"}}}) ==
          expected);
    CHECK(ipam_allocate(pools, {{"pool", "pods"}, {"owner", "c/eth0"}}) == expected);
    CHECK(ipam_release(pools, {{"owner", "c/eth0"}}) == json{{"released", true}});
    CHECK(ipam_release(pools, {{"owner", "c/eth0"}}) == json{{"released", false}});
}

TEST_CASE("what there is to see has an entry for each network, and is what weft ipam shows") {
    auto pools = two_families();
    ipam_allocate(pools, {{"pool", "pods"}, {"owner", "c/eth0"}});
    pools.reserve("pods", *IpAddress::parse("10.1.0.200"));
    const auto seen = ipam(pools);
    CHECK(seen == json::parse(R"({"pools": [
        {"pool": "pods", "prefix": "10.1.0.0/24", "size": 253, "used": 2,
         "leases": [{"address": "10.1.0.2", "owner": "c/eth0"}]},
        {"pool": "pods", "prefix": "fd00::/64", "size": 18446744073709551614, "used": 1,
         "leases": [{"address": "fd00::2", "owner": "c/eth0"}]}]})"));
    CHECK(render("ipam", seen, false).starts_with("POOL  ADDRESS   OWNER\npods  10.1.0.2  c/eth0\n"));
    CHECK(ipam(AddressPools{}) == json{{"pools", json::array()}});
}

TEST_CASE("wrong params are told apart from what cannot be done") {
    auto pools = two_families();
    const auto allocate = [&](const json& params) { return refusal([&] { ipam_allocate(pools, params); }); };
    CHECK(allocate({{"owner", "c"}}) == R"(params: params: there is no 'pool': add "pool": "pods")");
    CHECK(allocate({{"pool", "pods"}}) == R"(params: params: there is no 'owner': add "owner": "c1/eth0")");
    CHECK(allocate(nullptr) == R"(params: params: null, not an object: write {"pool": "pods"})");
    CHECK(allocate({{"pool", "pods"}, {"owner", "c"}, {"address", {"10.1.0.9/24"}}}) ==
          "params: 'address[0]': '10.1.0.9/24' is not an address: write it without a prefix length, as in "
          "\"10.10.0.11\"");
    CHECK(allocate({{"pool", "lan"}, {"owner", "c"}}) ==
          "there is no pool 'lan': a pool is a bridge with a gateway, of which there are: pods");
    CHECK(allocate({{"pool", "pods"}, {"owner", "c"}, {"address", {"10.1.0.1"}}})
              .starts_with("10.1.0.1 is the"));
    CHECK(allocate({{"pool", "pods"}, {"owner", "a\nb"}}).starts_with("'a\\x0ab' cannot be an owner"));
    CHECK(refusal([&] { ipam_release(pools, json::object()); }) ==
          R"(params: params: there is no 'owner': add "owner": "c1/eth0")");
    CHECK(pools.leases().empty());
}
