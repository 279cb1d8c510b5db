#include "lab/file/lab_schema.h"

#include <algorithm>
#include <array>
#include <vector>

namespace weft::lab {

namespace {

using config::Key;
using config::Kind;

constexpr bool required = true;
constexpr bool optional = false;

constexpr Key template_key{"template", Kind::scalars, optional, R"(template = "lossy")",
                           "The names of templates, whose keys the section takes over where it has none."};
constexpr Key count_key{"count", Kind::scalars, optional, "count = 50",
                        "As many of them: {i} in any text is 1, 2, ...; [20, 10] makes 200, by {i} and {j}."};
constexpr Key first_key{"first", Kind::scalars, optional, "first = 0",
                        "The first number of a range, instead of 1."};
constexpr Key sysctl_key{"sysctl", Kind::table, optional, R"(sysctl = { "net.ipv4.ip_forward" = 1 })",
                         "Settings of the node's kernel."};
constexpr Key run_key{"run", Kind::scalars, optional, R"(run = ["iperf3 -s"])",
                      "Shell commands that are started with the node, and go on."};
constexpr Key routes_key{"routes", Kind::tables, optional,
                         R"(routes = [{ to = "10.9.0.0/16", via = "10.0.0.1" }])", "Static routes."};
constexpr Key address_key{"address", Kind::scalars, optional, R"(address = "10.0.0.1/24")",
                          "Addresses of the first interface; on a link those of both ends."};
constexpr Key gateway_key{"gateway", Kind::scalars, optional, R"(gateway = "10.0.0.1")",
                          "The next hop of the default route, or \"none\"."};

constexpr std::array file_keys{
    Key{"lab", Kind::table, optional, "[lab]", "What concerns the lab as a whole."},
    Key{"variables", Kind::table, optional, "[variables]", "Written as ${name} in any text of the file."},
    Key{"template", Kind::tables, optional, "[[template]]", "Keys that sections take over by its name."},
    Key{"host", Kind::tables, optional, "[[host]]", "A network namespace with processes in it."},
    Key{"switch", Kind::tables, optional, "[[switch]]", "A learning bridge."},
    Key{"router", Kind::tables, optional, "[[router]]", "A router with an address on each of its links."},
    Key{"site", Kind::tables, optional, "[[site]]", "A weftd with a configuration file of its own."},
    Key{"interface", Kind::tables, optional, "[[interface]]", "An interface of this machine."},
    Key{"link", Kind::tables, optional, "[[link]]", "A cable between two nodes."},
    Key{"event", Kind::tables, optional, "[[event]]", "What happens to the lab, and when."},
    Key{"step", Kind::tables, optional, "[[step]]", "The script of weft lab run, line by line."},
    Key{"traffic", Kind::tables, optional, "[[traffic]]", "What simulated hosts send."},
};

constexpr std::array lab_keys{
    Key{"name", Kind::text, optional, R"(name = "branch")", "The lab's name; that of the file without it."},
    Key{"seed", Kind::integer, optional, "seed = 1", "Of all random choices."},
    Key{"length", Kind::text, optional, R"(length = "60s")", "Of a simulation."},
    Key{"addresses", Kind::texts, optional, R"(addresses = ["10.0.0.0/8", "fd00::/48"])",
        "From where links without addresses get theirs."},
    Key{"init", Kind::scalars, optional, R"(init = ["./make_keys"])",
        "Shell commands that have ended before anything is started."},
};

constexpr std::array template_keys{
    Key{"name", Kind::text, required, R"(name = "lossy")", "By which sections ask for it."},
    template_key,
};

constexpr std::array host_keys{
    Key{"name", Kind::text, required, R"(name = "h1")", "The node's name."},
    template_key,
    count_key,
    first_key,
    address_key,
    gateway_key,
    routes_key,
    sysctl_key,
    run_key,
};

constexpr std::array router_keys{
    Key{"name", Kind::text, required, R"(name = "r1")", "The node's name."},
    template_key,
    count_key,
    first_key,
    Key{"routes", Kind::tables, optional, R"(routes = [{ to = "0.0.0.0/0", via = "10.0.0.254" }])",
        "Routes besides those to the lab's own networks."},
};

constexpr std::array site_keys{
    Key{"name", Kind::text, required, R"(name = "site-a")", "The node's name."},
    template_key,
    count_key,
    first_key,
    Key{"config", Kind::text, required, R"(config = "site-a.toml")", "The configuration file of its weftd."},
    address_key,
    gateway_key,
    routes_key,
    sysctl_key,
    run_key,
};

constexpr std::array interface_keys{
    Key{"name", Kind::text, required, R"(name = "uplink")", "The node's name."},
    template_key,
    Key{"device", Kind::text, required, R"(device = "eth1")", "The interface, which the lab takes over."},
};

constexpr std::array link_keys{
    Key{"ends", Kind::texts, required, R"(ends = ["h1", "s1"])", "Two nodes, or NODE:INTERFACE."},
    Key{"name", Kind::text, optional, R"(name = "uplink")", "The link's name; \"h1--s1\" without it."},
    template_key,
    count_key,
    first_key,
    Key{"address", Kind::texts, optional, R"(address = ["10.0.0.1/24", "10.0.0.2/24"])",
        "Of each end: addresses, \"auto\" or \"none\"."},
    Key{"mac", Kind::texts, optional, R"(mac = ["02:00:00:00:00:01", "auto"])",
        "Of each end: a MAC address or \"auto\"."},
    Key{"mtu", Kind::integer_or_text, optional, "mtu = 1500", "Of the interfaces at both ends."},
    Key{"vlan", Kind::integer_or_text, optional, "vlan = 10", "The access VLAN of a switch's port."},
    Key{"trunk", Kind::scalars, optional, "trunk = [10, 20]", "The VLANs of a switch's port."},
    Key{"impair", Kind::table, optional, R"(impair = { delay = "10ms", loss = "1%" })",
        "What the link does to packets, in both directions."},
    Key{"there", Kind::table, optional, R"(there = { rate = "1mbit" })",
        "What differs from impair, from the first end to the second."},
    Key{"back", Kind::table, optional, R"(back = { rate = "10mbit" })",
        "What differs from impair, from the second end to the first."},
};

constexpr std::array host_route_keys{
    Key{"to", Kind::text, required, R"(to = "0.0.0.0/0")", "A network."},
    Key{"via", Kind::text, optional, R"(via = "10.0.0.1")", "The next hop."},
    Key{"device", Kind::text, optional, R"(device = "eth0")", "The interface."},
};

constexpr Key link_action{"link", Kind::text, optional, R"(link = "h1--s1")", "The link that it happens to."};
constexpr Key node_action{"node", Kind::text, optional, R"(node = "h1")",
                          "The node that it happens to, or where the command runs."};
constexpr Key direction_action{"direction", Kind::text, optional, R"(direction = "there")",
                               "Of the link: \"there\" or \"back\"; both without it."};
constexpr Key up_action{
    "up", Kind::boolean, optional, "up = false",
    "Whether the link, or the node's, is up; down both ways it takes the carrier of its ends away."};
constexpr Key set_action{"set", Kind::table, optional, R"(set = { loss = "1%" })",
                         "What the link does to packets from now on: keys of impair."};

constexpr std::array event_keys{
    Key{"at", Kind::text, required, R"(at = "5s")", "From when the lab is up."},
    Key{"repeat", Kind::text, optional, R"(repeat = "10s")", "And again, each time after so long."},
    template_key,
    count_key,
    first_key,
    link_action,
    node_action,
    direction_action,
    up_action,
    set_action,
    Key{"run", Kind::text, optional, R"(run = "killall iperf3")", "A shell command at the node."},
};

constexpr std::array step_keys{
    Key{"name", Kind::text, optional, R"(name = "both sides reach each other")", "What is shown."},
    template_key,
    count_key,
    first_key,
    Key{"wait", Kind::text, optional, R"(wait = "5s")", "First of all, time passes."},
    Key{"on", Kind::text, optional, R"(on = "h1")", "Where the command runs."},
    Key{"run", Kind::text, optional, R"(run = "ping -c 3 h2")", "A shell command."},
    Key{"status", Kind::integer, optional, "status = 0", "With which the command must end."},
    Key{"expect", Kind::text, optional, R"(expect = " 0% packet loss")", "What must be in its output."},
    Key{"value", Kind::text, optional, R"(value = "/end/sum_received/bits_per_second")",
        "A number in its output, which is JSON: a JSON pointer (RFC 6901)."},
    Key{"at_least", Kind::number, optional, "at_least = 9e6", "Of the number."},
    Key{"at_most", Kind::number, optional, "at_most = 10e6", "Of the number."},
    Key{"within", Kind::text, optional, R"(within = "30s")", "After which the command has failed."},
    Key{"retry", Kind::boolean, optional, "retry = true", "Again, until it is as expected."},
    Key{"background", Kind::boolean, optional, "background = true", "The next step does not wait for it."},
    link_action,
    node_action,
    direction_action,
    up_action,
    set_action,
};

constexpr std::array traffic_keys{
    Key{"name", Kind::text, optional, R"(name = "calls")", "What it is called in captures and figures."},
    template_key,
    count_key,
    first_key,
    Key{"kind", Kind::text, required, R"(kind = "ping")",
        "\"ping\", \"constant\", \"poisson\", \"tcp\" or \"replay\"."},
    Key{"from", Kind::text, required, R"(from = "h1")", "The host that sends."},
    Key{"to", Kind::text, required, R"(to = "h2")", "The host that it is for."},
    Key{"rate", Kind::scalar, optional, R"(rate = "1mbit")", "Pings a second; bits a second of payload."},
    Key{"size", Kind::integer_or_text, optional, "size = 64", "Bytes of a packet's payload."},
    Key{"start", Kind::text, optional, R"(start = "1s")", "When it begins."},
    Key{"stop", Kind::text, optional, R"(stop = "10s")", "When it ends."},
    Key{"file", Kind::text, optional, R"(file = "calls.pcap")", "What a replay replays."},
};

constexpr std::array switch_extra_keys{template_key, count_key, first_key};

}  // namespace

const config::Schema lab_file_schema{"the file", file_keys};
const config::Schema lab_schema{"[lab]", lab_keys};
const config::Schema template_schema{"[[template]]", template_keys};
const config::Schema host_schema{"[[host]]", host_keys};
const config::Schema router_schema{"[[router]]", router_keys};
const config::Schema site_schema{"[[site]]", site_keys};
const config::Schema interface_schema{"[[interface]]", interface_keys};
const config::Schema link_schema{"[[link]]", link_keys};
const config::Schema host_route_schema{"a route", host_route_keys};
const config::Schema event_schema{"[[event]]", event_keys};
const config::Schema step_schema{"[[step]]", step_keys};
const config::Schema traffic_schema{"[[traffic]]", traffic_keys};

const config::Schema& switch_schema() {
    static const std::vector<Key> keys = [] {
        std::vector<Key> all{config::bridge_schema.keys.begin(), config::bridge_schema.keys.end()};
        all.insert(all.end(), switch_extra_keys.begin(), switch_extra_keys.end());
        return all;
    }();
    static const config::Schema schema{"[[switch]]", keys};
    return schema;
}

}  // namespace weft::lab
