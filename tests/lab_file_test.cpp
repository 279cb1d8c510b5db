// What a lab's file says, and what keeps it short: variables, templates, ranges.
#include "tests/support/lab_file.h"

#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace weft::test {

using namespace lab;

TEST_CASE("two hosts and a link are a lab") {
    const Topology topology = read_lab(R"(
[[host]]
name = "a"
[[host]]
name = "b"
[[link]]
ends = ["a", "b"]
)");
    CHECK(topology.name == "lab");  // of lab.toml
    CHECK(topology.seed == 1);
    REQUIRE(topology.nodes.size() == 2);
    REQUIRE(topology.links.size() == 1);
    const Link& link = topology.links[0];
    CHECK(link.name == "a--b");
    CHECK(link.ends[0].node == 0);
    CHECK(link.ends[1].node == 1);
    CHECK(link.ends[0].interface == "eth0");
    CHECK(link.ends[0].mtu == 1500);
    CHECK(link.ends[0].mac != link.ends[1].mac);
    CHECK((link.ends[0].mac.octets[0] & 3U) == 2);  // locally administered, unicast
    CHECK(link.impairment[0].does_nothing());
}

TEST_CASE("a complete file is read into what it says") {
    const Topology topology = read_lab(R"(
[lab]
name = "branch"
seed = 42
length = "1.5h"
init = ["./make_keys", "true"]

[[host]]
name = "h"
address = "192.0.2.1/24"
gateway = "192.0.2.254"
routes = [{ to = "198.51.100.0/24", via = "192.0.2.253" }, { to = "203.0.113.0/24", device = "eth0" }]
sysctl = { net.ipv4.ip_forward = 1, "net.ipv4.conf.all.rp_filter" = "0" }
run = ["iperf3 -s"]

[[switch]]
name = "s"
aging = "10s"
max_stations = 100

[[site]]
name = "office"
config = "sites/office.toml"
address = ["192.0.2.2/24", "2001:db8::2/64"]

[[interface]]
name = "outside"
device = "eth7"

[[link]]
ends = ["h", "s"]
name = "desk"
mtu = 9000
vlan = 10
mac = ["02:00:00:00:00:01", "auto"]

[[link]]
ends = ["office:wan0", "s"]
trunk = [10, 20]

[[link]]
ends = ["outside", "s"]

[[event]]
at = "5s"
repeat = "10s"
link = "desk"
direction = "there"
up = false

[[event]]
at = "1500ms"
node = "h"
run = "echo $${HOME}"

[[step]]
on = "h"
run = "iperf3 -c office -J"
value = "/end/sum_received/bits_per_second"
at_least = 9e6
at_most = 10000000
within = "20s"
retry = true

[[step]]
wait = "2s"
node = "s"
up = false

[[traffic]]
kind = "poisson"
from = "h"
to = "h"
rate = "1.5mbit"
start = "1s"
stop = "2s"
)");
    CHECK(topology.name == "branch");
    CHECK(topology.seed == 42);
    CHECK(topology.length == std::chrono::minutes{90});
    CHECK(topology.init == std::vector<std::string>{"./make_keys", "true"});

    const auto& host = std::get<Host>(node_named(topology, "h").kind);
    CHECK(routes_text(host.routes) ==
          "198.51.100.0/24 via 192.0.2.253\n203.0.113.0/24\n0.0.0.0/0 via 192.0.2.254");
    CHECK(host.routes[1].device == "eth0");
    CHECK(host.sysctl == std::map<std::string, std::string>{{"net.ipv4.ip_forward", "1"},
                                                            {"net.ipv4.conf.all.rp_filter", "0"}});
    CHECK(host.run == std::vector<std::string>{"iperf3 -s"});
    const auto& bridge = std::get<Switch>(node_named(topology, "s").kind).bridge;
    CHECK(bridge.aging == std::chrono::seconds{10});
    CHECK(bridge.max_stations == 100);
    CHECK(std::get<Site>(node_named(topology, "office").kind).config == "/labs/sites/office.toml");
    CHECK(std::get<RealInterface>(node_named(topology, "outside").kind).device == "eth7");

    const Link& desk = link_named(topology, "desk");
    CHECK(addresses_of(desk.ends[0]) == "192.0.2.1/24");
    CHECK(desk.ends[0].mtu == 9000);
    CHECK(desk.ends[0].mac.to_string() == "02:00:00:00:00:01");
    CHECK_FALSE(desk.ends[0].vlan.has_value());
    CHECK(desk.ends[1].vlan == VlanId{10});
    CHECK(desk.ends[1].interface == "desk");
    const Link& wan = link_named(topology, "office--s");
    CHECK(wan.ends[0].interface == "wan0");
    CHECK(addresses_of(wan.ends[0]) == "192.0.2.2/24 2001:db8::2/64");
    CHECK(wan.ends[1].trunk == std::vector<VlanId>{VlanId{10}, VlanId{20}});
    CHECK(link_named(topology, "outside--s").ends[0].interface == "eth7");

    REQUIRE(topology.events.size() == 2);
    CHECK(topology.events[0].at == std::chrono::seconds{5});
    CHECK(topology.events[0].repeat == std::chrono::seconds{10});
    CHECK(topology.events[0].action ==
          Action{SwitchLink{.link = 0, .direction = Direction::there, .up = false}});
    CHECK(topology.events[1].at == std::chrono::milliseconds{1500});
    CHECK(topology.events[1].action == Action{RunCommand{.node = 0, .command = "echo ${HOME}"}});

    REQUIRE(topology.script.size() == 2);
    const Step& measured = topology.script[0];
    CHECK(measured.name == "h: iperf3 -c office -J");
    CHECK(measured.action == Action{RunCommand{.node = 0, .command = "iperf3 -c office -J"}});
    CHECK(measured.expect.pointer == "/end/sum_received/bits_per_second");
    CHECK(measured.expect.at_least == 9e6);
    CHECK(measured.expect.at_most == 1e7);
    CHECK(measured.within == std::chrono::seconds{20});
    CHECK(measured.retry);
    CHECK(measured.line == 56);
    CHECK(topology.script[1].wait == std::chrono::seconds{2});
    CHECK(topology.script[1].name == "wait 2s, s down");
    CHECK(topology.script[1].action == Action{SwitchNode{.node = 1, .up = false}});

    REQUIRE(topology.traffic.size() == 1);
    CHECK(topology.traffic[0].kind == Traffic::Kind::poisson);
    CHECK(topology.traffic[0].rate == 1.5e6);
    CHECK(topology.traffic[0].stop == std::chrono::seconds{2});
}

TEST_CASE("two hundred hosts on a tree of twenty switches are seven sections") {
    const Topology topology = read_lab(R"(
[variables]
switches = 20
[[switch]]
name = "s"
count = "${switches}"
[[host]]
name = "h{i}-{j}"
count = ["${switches}", 10]
[[link]]
ends = ["s{i}", "s{i/2}"]
count = 19
first = 2
[[link]]
ends = ["h{i}-{j}", "s{i}"]
count = ["${switches}", 10]
)");
    CHECK(topology.nodes.size() == 220);
    CHECK(topology.links.size() == 219);
    CHECK(link_named(topology, "s20--s10").ends[1].node == 9);
    std::set<IpAddress> addresses;
    std::set<MacAddress> macs;
    for (const Link& link : topology.links) {
        for (const LinkEnd& end : link.ends) {
            if (end.addresses.empty()) continue;
            CHECK(end.addresses[0].length == 24);
            addresses.insert(end.addresses[0].address);
            macs.insert(end.mac);
        }
    }
    CHECK(addresses.size() == 200);
    CHECK(macs.size() == 200);
    CHECK(addresses.begin()->to_string() == "10.0.0.1");
    CHECK(addresses.rbegin()->to_string() == "10.0.0.200");
}

TEST_CASE("a range counts from its first number, and its name needs no braces") {
    const Topology topology = read_lab(R"(
[[host]]
name = "leaf"
count = 2
first = 0
run = ["echo {i} of {i+1}, {print}"]
[[host]]
name = "x"
count = [1, 2]
first = [5, 8]
)");
    std::vector<std::string> names;
    names.reserve(topology.nodes.size());
    for (const Node& node : topology.nodes) names.push_back(node.name);
    CHECK(names == std::vector<std::string>{"leaf0", "leaf1", "x5-8", "x5-9"});
    CHECK(std::get<Host>(topology.nodes[1].kind).run[0] == "echo 1 of 2, {print}");
}

TEST_CASE("nodes have the order of the file, whatever they are") {
    const Topology topology = read_lab(R"(
[[router]]
name = "r"
[[host]]
name = "a"
[[switch]]
name = "s"
[[host]]
name = "b"
)");
    std::vector<std::string> names;
    names.reserve(topology.nodes.size());
    for (const Node& node : topology.nodes) names.push_back(node.name);
    CHECK(names == std::vector<std::string>{"r", "a", "s", "b"});
}

TEST_CASE("a template's keys are taken over where the section has none, tables key by key") {
    const Topology topology = read_lab(R"(
[[template]]
name = "base"
run = ["from base"]
sysctl = { "net.a" = 1, "net.b" = 1 }
[[template]]
name = "server"
template = "base"
gateway = "10.9.9.9"
sysctl = { "net.b" = 2, "net.c" = 2 }
[[host]]
name = "plain"
template = "base"
[[host]]
name = "h"
template = "server"
count = 2
sysctl = { "net.c" = "{i}" }
)");
    CHECK(std::get<Host>(node_named(topology, "plain").kind).run[0] == "from base");
    const auto& host = std::get<Host>(node_named(topology, "h2").kind);
    CHECK(host.run == std::vector<std::string>{"from base"});
    CHECK(routes_text(host.routes) == "0.0.0.0/0 via 10.9.9.9");
    CHECK(host.sysctl == std::map<std::string, std::string>{{"net.a", "1"}, {"net.b", "2"}, {"net.c", "2"}});
}

TEST_CASE("a template that a range takes over is filled in for each number") {
    const Topology topology = read_lab(R"(
[[template]]
name = "numbered"
run = ["echo {i}"]
[[host]]
name = "h"
count = 3
template = "numbered"
[[host]]
name = "alone"
template = "numbered"
)");
    CHECK(std::get<Host>(node_named(topology, "h3").kind).run[0] == "echo 3");
    CHECK(std::get<Host>(node_named(topology, "alone").kind).run[0] == "echo {i}");
}

TEST_CASE("a variable is text anywhere, and what is given beside the file wins") {
    constexpr std::string_view file = R"(
[variables]
to = "b"
count = 2
[[host]]
name = "a"
[[host]]
name = "${to}"
count = "${count}"
run = ["echo $${to} $to ${to}${to}"]
[[link]]
ends = ["a", "${to}1"]
)";
    CHECK(read_lab(file).links[0].name == "a--b1");
    CHECK(std::get<Host>(read_lab(file).nodes[2].kind).run[0] == "echo ${to} $to bb");
    const Overrides overrides{.variables = {{"to", "c"}, {"count", "5"}}, .name = "other", .seed = 7};
    const Topology topology = read_lab(file, overrides);
    CHECK(topology.links[0].name == "a--c1");
    CHECK(topology.nodes.size() == 6);
    CHECK(topology.name == "other");
    CHECK(topology.seed == 7);
}

TEST_CASE("interfaces are numbered in the order of a node's links, around those that have a name") {
    const Topology topology = read_lab(R"(
[[host]]
name = "a"
[[switch]]
name = "s"
[[link]]
ends = ["a", "s"]
[[link]]
ends = ["a:eth1", "s"]
[[link]]
ends = ["s", "a"]
)");
    CHECK(topology.links[0].ends[0].interface == "eth0");
    CHECK(topology.links[1].ends[0].interface == "eth1");
    CHECK(topology.links[2].ends[1].interface == "eth2");
    CHECK(topology.links[1].name == "a--s.2");
    CHECK(topology.links[1].ends[1].interface == "a--s.2");
    CHECK(topology.links[2].name == "s--a");
}

TEST_CASE("a file is read into the same lab each time, and another lab has other MAC addresses") {
    constexpr std::string_view file = R"(
[[host]]
name = "h"
count = 9
[[switch]]
name = "s"
[[link]]
ends = ["h{i}", "s"]
count = 9
)";
    CHECK(read_lab(file) == read_lab(file));
    const Topology other = read_lab(file, {.variables = {}, .name = "other", .seed = {}});
    CHECK(other.links[0].ends[0].mac != read_lab(file).links[0].ends[0].mac);
}

}  // namespace weft::test
