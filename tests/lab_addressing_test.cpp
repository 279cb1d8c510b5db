// Addresses and routes where a lab's file gives none.
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "lab/hosts_file.h"
#include "tests/support/lab_file.h"

namespace weft::test {

using namespace lab;

namespace {

std::string addresses(const Topology& topology, std::string_view link, std::size_t which) {
    return addresses_of(link_named(topology, link).ends[which]);
}

std::string routes(const Topology& topology, std::string_view name) {
    const Node& node = node_named(topology, name);
    if (const auto* host = std::get_if<Host>(&node.kind)) return routes_text(host->routes);
    if (const auto* site = std::get_if<Site>(&node.kind)) return routes_text(site->routes);
    return routes_text(std::get<Router>(node.kind).routes);
}

constexpr std::string_view hosts_and_router = R"(
[[host]]
name = "h"
count = 4
[[switch]]
name = "s"
[[router]]
name = "r"
)";

}  // namespace

TEST_CASE("each segment has a network of the pool, and its ends their numbers in the order of the links") {
    const Topology topology = read_lab(std::string{hosts_and_router} + R"(
[[link]]
ends = ["h1", "s"]
[[link]]
ends = ["h3", "h4"]
[[link]]
ends = ["s", "h2"]
[[link]]
ends = ["r", "s"]
)");
    CHECK(addresses(topology, "h1--s", 0) == "10.0.0.1/24");
    CHECK(addresses(topology, "h1--s", 1).empty());
    CHECK(addresses(topology, "h3--h4", 0) == "10.0.1.1/24");
    CHECK(addresses(topology, "h3--h4", 1) == "10.0.1.2/24");
    CHECK(addresses(topology, "s--h2", 1) == "10.0.0.2/24");
    CHECK(addresses(topology, "r--s", 0) == "10.0.0.3/24");
    CHECK(routes(topology, "h1") == "0.0.0.0/0 via 10.0.0.3");
    CHECK(routes(topology, "h3").empty());
}

TEST_CASE("a link that is added at the end changes no other address") {
    const std::string file = std::string{hosts_and_router} + R"(
[[link]]
ends = ["h1", "s"]
[[link]]
ends = ["h2", "s"]
[[link]]
ends = ["h3", "r"]
)";
    const Topology before = read_lab(file);
    for (const std::string added : {R"(["h4", "s"])", R"(["r", "s"])", R"(["h4", "r"])"}) {
        CAPTURE(added);
        const Topology after = read_lab(fmt::format("{}[[link]]\nends = {}\n", file, added));
        for (std::size_t i = 0; i < before.links.size(); ++i) CHECK(after.links[i] == before.links[i]);
    }
}

TEST_CASE("what the file gives is passed over, and is the network of its segment") {
    const Topology topology = read_lab(std::string{hosts_and_router} + R"(
[[link]]
ends = ["h1", "s"]
[[link]]
ends = ["h2", "s"]
address = ["192.0.2.1/24", "auto"]
[[link]]
ends = ["h3", "s"]
address = ["none", "none"]
[[link]]
ends = ["h4", "r"]
address = ["auto", "10.0.0.1/24"]
[[link]]
ends = ["h1", "r"]
)");
    CHECK(addresses(topology, "h1--s", 0) == "192.0.2.2/24");
    CHECK(addresses(topology, "h2--s", 0) == "192.0.2.1/24");
    CHECK(addresses(topology, "h3--s", 0).empty());
    CHECK(addresses(topology, "h4--r", 0) == "10.0.0.2/24");
    CHECK(addresses(topology, "h1--r", 0) == "10.0.1.1/24");  // 10.0.0.0/24 is taken
}

TEST_CASE("a pool of both families gives both, and both have routes") {
    const Topology topology = read_lab(R"(
[lab]
addresses = ["172.16.0.0/16", "fd00:1::/48"]
)" + std::string{hosts_and_router} + R"(
[[link]]
ends = ["h1", "r"]
[[link]]
ends = ["h2", "r"]
)");
    CHECK(addresses(topology, "h1--r", 0) == "172.16.0.1/24 fd00:1::1/64");
    CHECK(addresses(topology, "h2--r", 1) == "172.16.1.2/24 fd00:1:0:1::2/64");
    CHECK(routes(topology, "h2") == "0.0.0.0/0 via 172.16.1.2\n::/0 via fd00:1:0:1::2");
}

TEST_CASE("a segment of more ends than a /24 has hosts gets a larger network") {
    const Topology topology = read_lab(R"(
[[host]]
name = "h"
count = 300
[[switch]]
name = "s"
[[host]]
name = "x"
count = 2
[[link]]
ends = ["x1", "x2"]
[[link]]
ends = ["h{i}", "s"]
count = 300
)");
    CHECK(addresses(topology, "x1--x2", 0) == "10.0.0.1/24");
    CHECK(addresses(topology, "h1--s", 0) == "10.0.2.1/23");
    CHECK(addresses(topology, "h300--s", 0) == "10.0.3.44/23");
}

TEST_CASE("VLANs of a switch are segments of their own, and trunks join them") {
    const Topology topology = read_lab(R"(
[[host]]
name = "h"
count = 6
[[switch]]
name = "s"
count = 3
[[link]]
ends = ["h1", "s1"]
vlan = 10
[[link]]
ends = ["h2", "s1"]
vlan = 20
[[link]]
ends = ["h3", "s2"]
vlan = 10
[[link]]
ends = ["h4", "s2"]
vlan = 20
[[link]]
ends = ["h5", "s3"]
vlan = 20
[[link]]
ends = ["h6", "s3"]
[[link]]
ends = ["s1", "s2"]
trunk = [10]
[[link]]
ends = ["s2", "s3"]
)");
    CHECK(addresses(topology, "h1--s1", 0) == "10.0.0.1/24");
    CHECK(addresses(topology, "h3--s2", 0) == "10.0.0.2/24");
    CHECK(addresses(topology, "h2--s1", 0) == "10.0.1.1/24");
    CHECK(addresses(topology, "h4--s2", 0) == "10.0.2.1/24");
    CHECK(addresses(topology, "h5--s3", 0) == "10.0.2.2/24");
    CHECK(addresses(topology, "h6--s3", 0) == "10.0.3.1/24");
}

TEST_CASE("a switch with a gateway gives its hosts their network and their default route") {
    const Topology topology = read_lab(R"(
[[host]]
name = "h"
count = 2
[[switch]]
name = "s"
gateway = ["192.0.2.1/24"]
[[link]]
ends = ["h{i}", "s"]
count = 2
)");
    CHECK(addresses(topology, "h2--s", 0) == "192.0.2.3/24");
    CHECK(routes(topology, "h2") == "0.0.0.0/0 via 192.0.2.1");
}

TEST_CASE("a host's own default route, or none, stays") {
    const Topology topology = read_lab(R"(
[[host]]
name = "own"
routes = [{ to = "default", via = "10.0.0.9" }]
[[host]]
name = "none"
gateway = "none"
[[host]]
name = "other"
routes = [{ to = "192.0.2.0/24", via = "10.0.0.9" }]
[[router]]
name = "r"
[[switch]]
name = "s"
[[link]]
ends = ["own", "s"]
[[link]]
ends = ["none", "s"]
[[link]]
ends = ["other", "s"]
[[link]]
ends = ["r", "s"]
)");
    CHECK(routes(topology, "own") == "0.0.0.0/0 via 10.0.0.9");
    CHECK(routes(topology, "none").empty());
    CHECK(routes(topology, "other") == "192.0.2.0/24 via 10.0.0.9\n0.0.0.0/0 via 10.0.0.4");
}

TEST_CASE("a line of routers has routes to all networks by the way that is shortest") {
    const Topology topology = read_lab(R"(
[[host]]
name = "h"
count = 2
[[router]]
name = "r1"
[[router]]
name = "r2"
[[router]]
name = "r3"
routes = [{ to = "10.0.0.0/24", via = "10.0.9.9" }]
[[link]]
ends = ["h1", "r1"]
[[link]]
ends = ["r1", "r2"]
[[link]]
ends = ["r2", "r3"]
[[link]]
ends = ["r3", "h2"]
)");
    CHECK(routes(topology, "r1") == "10.0.2.0/24 via 10.0.1.2\n10.0.3.0/24 via 10.0.1.2");
    CHECK(routes(topology, "r2") == "10.0.0.0/24 via 10.0.1.1\n10.0.3.0/24 via 10.0.2.2");
    CHECK(routes(topology, "r3") == "10.0.0.0/24 via 10.0.9.9\n10.0.1.0/24 via 10.0.2.1");  // its own stays
    CHECK(routes(topology, "h2") == "0.0.0.0/0 via 10.0.3.1");
}

TEST_CASE("a leaf reaches the networks of other leaves through all of the spines") {
    const Topology topology = read_lab(R"(
[[host]]
name = "h"
count = 16
[[router]]
name = "leaf"
count = 16
[[router]]
name = "spine"
count = 2
[[link]]
ends = ["h{i}", "leaf{i}"]
count = 16
[[link]]
ends = ["leaf{i}", "spine{j}"]
count = [16, 2]
)");
    const auto& router = std::get<Router>(node_named(topology, "leaf1").kind);
    std::size_t by_first = 0;
    std::size_t by_second = 0;
    for (const config::Route& route : router.routes) {
        by_first += route.via->to_string() == "10.0.16.2" ? 1U : 0U;
        by_second += route.via->to_string() == "10.0.17.2" ? 1U : 0U;
    }
    CHECK(router.routes.size() == 15 + 30);
    CHECK(by_first + by_second == router.routes.size());
    CHECK(by_first > 15);
    CHECK(by_second > 15);
}

TEST_CASE("the hosts file names each node by its first addresses, and each interface") {
    const Topology topology = read_lab(R"(
[[host]]
name = "a"
[[host]]
name = "b"
[[switch]]
name = "s"
gateway = ["192.0.2.1/24"]
[[link]]
ends = ["a", "b"]
[[link]]
ends = ["a:wan0", "s"]
)");
    CHECK(hosts_file(topology) ==
          "127.0.0.1\tlocalhost\n"
          "::1\tlocalhost\n"
          "10.0.0.1\ta a-eth0\n"
          "10.0.0.2\tb b-eth0\n"
          "192.0.2.2\ta-wan0\n"
          "192.0.2.1\ts\n");
}

TEST_CASE("a pool that is used up, a network that is full and an address that is taken are told") {
    CHECK(lab_problems(R"([lab]
addresses = ["10.0.0.0/24"]
[[host]]
name = "h"
count = 3
[[link]]
ends = ["h1", "h2"]
[[link]]
ends = ["h2", "h3"]
)") == std::vector<std::string>{
           R"(2:13: the addresses of the pool are used up: give a larger one, as in addresses = ["10.0.0.0/8"])"});
    CHECK(lab_problems(R"([[host]]
name = "h"
count = 3
[[switch]]
name = "s"
[[link]]
ends = ["h1", "s"]
address = ["192.0.2.1/30", "none"]
[[link]]
ends = ["h2", "s"]
[[link]]
ends = ["h3", "s"]
)") == std::vector<std::string>{
           "12:9: no address is left in 192.0.2.0/30: give a larger network, or this end its address"});
    CHECK(lab_problems(R"([[host]]
name = "h"
count = 2
[[link]]
ends = ["h1", "h2"]
address = ["192.0.2.1/24", "192.0.2.1/24"]
)") == std::vector<std::string>{"6:28: 192.0.2.1 is h1's address already: change one of them"});
}

}  // namespace weft::test
