#include "cli/kernel_routes.h"

#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"

using namespace weft;
using test::prefix;

namespace {

config::Port tun(std::string_view name, std::string_view address, std::optional<std::string> netns = {}) {
    config::Port port;
    port.name = name;
    port.type = config::Port::Type::tun;
    port.address = {prefix(address)};
    port.netns = std::move(netns);
    return port;
}

config::Peer peer(const std::vector<std::string_view>& prefixes) {
    config::Peer added;
    for (const auto text : prefixes) added.prefixes.push_back(prefix(text));
    return added;
}

std::set<Prefix> routes(const std::vector<std::string_view>& texts) {
    std::set<Prefix> all;
    for (const auto text : texts) all.insert(prefix(text));
    return all;
}

config::Route route(std::string_view to, std::optional<std::string> port) {
    config::Route added;
    added.to = prefix(to);
    added.port = std::move(port);
    return added;
}

}  // namespace

TEST_CASE("peers, gateways and routes that lead elsewhere are reached over a TUN") {
    config::Config config;
    config.ports.push_back(tun("weft0", "10.0.0.1/24"));
    config.peers.push_back(peer({"10.1.0.0/16", "2001:db8:1::/48"}));
    config.peers.push_back(peer({"10.2.0.0/16"}));
    config::Bridge bridge;
    bridge.gateway = {prefix("10.3.0.1/24"), prefix("2001:db8:3::1/64")};
    config.bridges.push_back(bridge);
    config.routes.push_back(route("10.4.0.0/16", "another"));
    config.routes.push_back(route("10.5.0.0/16", "weft0"));
    config.routes.push_back(route("10.6.0.0/16", std::nullopt));
    CHECK(routes_over(config, config.ports[0]) ==
          routes({"10.1.0.0/16", "2001:db8:1::/48", "10.2.0.0/16", "10.3.0.0/24", "2001:db8:3::/64",
                  "10.4.0.0/16", "10.6.0.0/16"}));
}

TEST_CASE("the addresses of the station behind a packet port are not the kernel's to reach by it") {
    config::Config config;
    config.ports.push_back(tun("weft0", "10.0.0.1/24"));
    config::Port behind;
    behind.type = config::Port::Type::packet;
    behind.spoof_check = true;
    behind.address = {prefix("10.1.0.2/16")};
    config.ports.push_back(behind);
    config.peers.push_back(peer({"10.1.0.0/16"}));
    CHECK(routes_over(config, config.ports[0]) == routes({"10.1.0.0/16"}));
}

TEST_CASE("a default route is never put into the kernel's table") {
    config::Config config;
    config.ports.push_back(tun("weft0", "10.0.0.1/24"));
    config.peers.push_back(peer({"0.0.0.0/0", "::/0"}));
    config.routes.push_back(route("0.0.0.0/0", std::nullopt));
    CHECK(routes_over(config, config.ports[0]).empty());
}

TEST_CASE("what the TUN's own address connects is the kernel's business") {
    config::Config config;
    config.ports.push_back(tun("weft0", "10.0.0.1/24"));
    config.peers.push_back(peer({"10.0.0.0/24", "10.0.0.0/16", "10.0.0.128/25"}));
    CHECK(routes_over(config, config.ports[0]) == routes({"10.0.0.0/16", "10.0.0.128/25"}));
}

TEST_CASE("of two TUNs in one namespace the first takes what both could") {
    config::Config config;
    config.ports.push_back(tun("first", "10.0.0.1/24"));
    config.ports.push_back(tun("second", "10.1.0.1/24"));
    config.ports.push_back(tun("elsewhere", "10.2.0.1/24", "a"));
    config.peers.push_back(peer({"10.0.0.0/24", "10.9.0.0/16"}));
    CHECK(routes_over(config, config.ports[0]) == routes({"10.9.0.0/16"}));
    CHECK(routes_over(config, config.ports[1]).empty());
    CHECK(routes_over(config, config.ports[2]) == routes({"10.0.0.0/24", "10.9.0.0/16"}));

    config.ports[0].kernel_routes = false;
    CHECK(routes_over(config, config.ports[1]) == routes({"10.9.0.0/16"}));
}

TEST_CASE("a network that another device of the namespace is in is left to that device") {
    config::Config config;
    config.ports.push_back(tun("weft0", "10.0.0.1/24"));
    config.ports.push_back(tun("lan0", "10.5.0.1/24"));
    config.ports.back().type = config::Port::Type::tap;
    config.bridges.emplace_back().gateway = {prefix("10.5.0.254/24"), prefix("10.6.0.254/24")};
    CHECK(routes_over(config, config.ports[0]) == routes({"10.6.0.0/24"}));
}

TEST_CASE("the kernel is told of what changes, and no more") {
    config::Config config;
    config.ports.push_back(tun("weft0", "10.0.0.1/24"));
    config.ports[0].kernel_routes = false;
    config.peers.push_back(peer({"10.1.0.0/16", "10.2.0.0/16"}));
    KernelRoutes kernel;
    std::vector<Keeper::Routes> told;
    const auto sync = [&] {
        kernel.sync(config, [&](const Keeper::Routes& change) {
            told.push_back(change);
            return routes({"10.2.0.0/16"});  // which is somebody else's
        });
    };
    sync();
    CHECK(told.empty());
    config.ports[0].kernel_routes = true;
    sync();
    REQUIRE(told.size() == 1);
    CHECK(told[0].add == routes({"10.1.0.0/16", "10.2.0.0/16"}));
    config.peers[0].prefixes = {prefix("10.3.0.0/16")};
    sync();
    REQUIRE(told.size() == 2);
    CHECK(told[1].add == routes({"10.3.0.0/16"}));
    CHECK(told[1].remove == routes({"10.1.0.0/16"}));
}
