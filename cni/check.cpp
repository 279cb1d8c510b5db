#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cni/config.h"
#include "cni/daemon.h"
#include "cni/error.h"
#include "cni/ipam.h"
#include "cni/pending.h"
#include "cni/port_name.h"
#include "cni/result.h"
#include "cni/sandbox.h"
#include "cni/verbs.h"

namespace weft::cni {

using nlohmann::json;

namespace {

Attachment expected_of(const Request& request) {
    const auto previous = request.configuration.value("prevResult", json{});
    if (!previous.is_object()) {
        throw Error(Code::invalid_configuration,
                    "CHECK needs prevResult, which the configuration does not have");
    }
    const auto place = find_interface(previous, request.ifname);
    if (!place) {
        throw Error(Code::invalid_configuration,
                    fmt::format("prevResult has no interface {}", request.ifname));
    }
    auto expected = parse_attachment(previous, *place);
    expected.netns = request.netns;
    return expected;
}

// What weftd has, compared with what it should.
std::vector<std::string> differences_of(const json& port, const NetworkConfig& config,
                                        const Attachment& expected) {
    std::vector<std::string> found;
    const auto compare = [&](const char* what, const std::string& wanted) {
        const auto value = port.value(what, json{});
        if (value.is_string() && value != wanted)
            found.push_back(fmt::format("weftd has the {} {} and not {}", what, value.dump(), wanted));
    };
    compare("bridge", config.bridge);
    compare("device", expected.ifname);
    if (!expected.mac.empty() && config.spoof_check) compare("mac", expected.mac);
    // With dhcp weftd does not know them.
    const auto addresses = port.value("address", json::array());
    for (const auto& [address, gateway] : expected.network.addresses) {
        if (config.ipam.plugin != "dhcp" &&
            std::ranges::find(addresses, json(address.to_string())) == addresses.end()) {
            found.push_back(fmt::format("weftd's port has no address {}", address.to_string()));
        }
    }
    return found;
}

}  // namespace

json check(const Request& request) {
    const auto config = read_config(request);
    Attachment expected;
    try {
        expected = expected_of(request);
    } catch (const std::invalid_argument& mistake) {
        throw Error(Code::invalid_configuration, std::string{"prevResult: "} + mistake.what());
    }
    Daemon daemon{config.control};
    settle_pending(config, daemon);
    const auto port = daemon.port(port_name(request));
    if (port.is_null()) {
        throw Error(Code::not_as_expected, fmt::format("weftd has no port for {} of {} in the network {}",
                                                       request.ifname, request.container, request.network));
    }
    auto found = differences_of(port, config, expected);
    if (look_at_netns(request.netns) != NetnsState::there) {
        found.push_back(fmt::format("there is no network namespace {}", request.netns));
    } else {
        for (auto& difference : differences(expected)) found.push_back(std::move(difference));
    }
    if (!found.empty())
        throw Error(Code::not_as_expected, found.front(), fmt::format("{}", fmt::join(found, "; ")));
    make_ipam(request, config, daemon)->check();
    return {};
}

}  // namespace weft::cni
