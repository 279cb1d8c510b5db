// What masquerade = true implies.
#include <doctest/doctest.h>

#include "config/load.h"
#include "config/outside.h"
#include "tests/support/config_mistake.h"

namespace weft::config {

namespace {

constexpr std::string_view node_and_bridge = R"([node]
name = "n"
private_key_file = "a.key"
[[bridge]]
name = "lan"
gateway = ["10.10.0.1/24", "fd00:10::1/64"]
masquerade = true
)";

Config parsed(const std::string& text) {
    const test::KeyFolder keys;
    auto config = parse(text, keys.path() + "/n.toml");
    if (!config) {
        for (const std::string& problem : config.error()) MESSAGE(problem);
        FAIL("the file does not load");
    }
    return std::move(*config);
}

// "0.0.0.0/0 weft-out, ::/0 weft-out"
std::string implied_routes(const Config& config) {
    std::string text;
    for (const Route& route : config.routes) {
        if (!route.implied) continue;
        if (!text.empty()) text += ", ";
        text += route.to.to_string() + ' ' + route.port.value_or("?");
    }
    return text;
}

}  // namespace

TEST_CASE("a masqueraded bridge implies a TUN to the host, without an address, and default routes to it") {
    const Config config = parsed(std::string{node_and_bridge});
    REQUIRE(config.ports.size() == 1);
    const Port& port = config.ports[0];
    CHECK(port.implied);
    CHECK(port.name == "weft-out");
    CHECK(port.device == "weft-out");
    CHECK(port.type == Port::Type::tun);
    CHECK_FALSE(port.netns);
    CHECK(port.address.empty());
    CHECK(port.kernel_routes);
    CHECK(implied_routes(config) == "0.0.0.0/0 weft-out, ::/0 weft-out");
}

TEST_CASE("without a masqueraded bridge nothing is implied") {
    const Config config = parsed(R"([node]
name = "n"
[[bridge]]
name = "lan"
gateway = ["10.10.0.1/24"]
masquerade = false
)");
    CHECK(config.ports.empty());
    CHECK(config.routes.empty());
}

TEST_CASE("a family that no masqueraded gateway has gets no default route") {
    const Config config = parsed(R"([node]
name = "n"
[[bridge]]
name = "lan"
gateway = ["10.10.0.1/24"]
masquerade = true
[[bridge]]
name = "inner"
gateway = ["fd00:30::1/64"]
)");
    CHECK(implied_routes(config) == "0.0.0.0/0 weft-out");
}

TEST_CASE("a tun port of the node's own namespace is used instead, and one elsewhere is not") {
    const std::string elsewhere = R"([[port]]
name = "far"
type = "tun"
netns = "host-a"
)";
    CHECK(implied_routes(parsed(std::string{node_and_bridge} + elsewhere)) ==
          "0.0.0.0/0 weft-out, ::/0 weft-out");
    const Config config = parsed(std::string{node_and_bridge} + elsewhere + R"([[port]]
name = "near"
type = "tun"
address = ["10.99.0.1/30"]
)");
    CHECK(config.ports.size() == 2);
    CHECK(implied_routes(config) == "0.0.0.0/0 near, ::/0 near");
}

TEST_CASE("a default route that is written down, or a peer's, stays") {
    CHECK(implied_routes(parsed(std::string{node_and_bridge} + R"([[route]]
to = "0.0.0.0/0"
via = "10.10.0.254"
)")) == "::/0 weft-out");
    CHECK(implied_routes(parsed(std::string{node_and_bridge} + R"([[peer]]
name = "exit"
public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
prefixes = ["::/0"]
)")) == "0.0.0.0/0 weft-out");
}

TEST_CASE("masquerade has its mistakes reported") {
    test::check_reports({
        {"without a gateway",
         R"([node]
name = "n"
[[bridge]]
name = "lan"
masquerade = true
)",
         {R"(5:1: 'masquerade' without 'gateway': add gateway = ["10.10.0.1/24"], or remove it)"}},
        {"with a port that has taken the name",
         R"([node]
name = "n"
[[bridge]]
name = "lan"
gateway = ["10.10.0.1/24"]
masquerade = true
[[port]]
name = "weft-out"
type = "tap"
bridge = "lan"
netns = "host-a"
)",
         {R"(8:8: 'weft-out' is what the port is called by which masqueraded bridges reach the host: use another name, or add a tun port without netns, which is then used instead)"}},
        {"with a port whose device has taken the name",
         R"([node]
name = "n"
[[bridge]]
name = "lan"
gateway = ["10.10.0.1/24"]
masquerade = true
[[port]]
name = "a"
type = "tap"
bridge = "lan"
device = "weft-out"
)",
         {R"(11:10: 'weft-out' is what the port is called by which masqueraded bridges reach the host: use another name, or add a tun port without netns, which is then used instead)"}},
    });
}

}  // namespace weft::config
