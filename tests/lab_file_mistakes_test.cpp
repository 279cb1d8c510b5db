// Wrong labs' files, and what is said about them.
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/lab_file.h"

namespace weft::test {

namespace {

struct LabMistake {
    const char* what;
    std::string_view file;
    std::vector<std::string> problems;
};

// clang-format off
const std::vector<LabMistake> mistakes{
    {"TOML that is none", "[[host]\n",
     {"1:8: Error while parsing table header: expected ']', saw '\\n': correct the TOML here"}},
    {"keys and sections that there are not", R"([[host]]
name = "a"
adress = "10.0.0.1/24"
[[hots]]
name = "b"
)",
     {"3:1: unknown key 'adress' in [[host]]: did you mean 'address'?",
      "4:3: unknown key 'hots' in the file: remove it; the keys are lab, variables, template, host, switch, router, site, interface, link, event, step, traffic"}},
    {"values of the wrong type", R"([lab]
seed = "one"
[[host]]
name = 5
run = true
[[link]]
ends = "a"
mtu = 1.5
)",
     {"2:8: 'seed' must be an integer, not a string: write seed = 1",
      "4:8: 'name' must be a string, not an integer: write name = \"h1\"",
      "5:7: 'run' must be a string or an integer, or a list of them, not a boolean: write run = [\"iperf3 -s\"]",
      "7:8: 'ends' must be a list of strings, not a string: write ends = [\"h1\", \"s1\"]",
      "8:7: 'mtu' must be an integer or a string, not a float: write mtu = 1500"}},
    {"ends that are nowhere", R"([[host]]
name = "alpha"
[[link]]
ends = ["alphb", "omega"]
)",
     {"4:9: no node 'alphb': did you mean 'alpha'?",
      "4:18: no node 'omega': add a node with this name"}},
    {"names that are taken", R"([[host]]
name = "a"
[[switch]]
name = "a"
[[host]]
name = "b"
[[link]]
ends = ["a", "b"]
name = "b"
[[link]]
ends = ["a", "b"]
name = "c"
[[link]]
ends = ["a", "b"]
name = "c"
)",
     {"4:8: a second node 'a': rename it or the one in line 2",
      "9:8: a link and a node of the name 'b': rename it or the one in line 6",
      "15:8: a second link 'c': rename it or the one in line 12"}},
    {"names that are none", R"([[host]]
name = "a b"
[[host]]
name = ".."
[[host]]
name = "h{i}"
)",
     {"2:8: 'a b' is not a name: use 1 to 32 letters, digits, dots, underscores and hyphens",
      "4:8: '..' is not a name: use letters",
      "6:8: 'h{i}' is not a name: use 1 to 32 letters, digits, dots, underscores and hyphens"}},
    {"interfaces that cannot be", R"([[host]]
name = "a"
[[switch]]
name = "s"
[[link]]
ends = ["a:x/y", "s"]
[[link]]
ends = ["a:x", "s:p"]
[[link]]
ends = ["a:x", "s"]
)",
     {"6:9: 'x/y' cannot be the name of a network device: use 1 to 15 characters without '/', ':', '%' and white space",
      "8:16: a port of a switch has no name of its own: write \"s\"",
      "10:9: a second interface 'x' of a: rename it or the one in line 8"}},
    {"addresses of what has none, and that are none", R"([[host]]
name = "a"
address = "10.0.0.0/24"
[[switch]]
name = "s"
[[interface]]
name = "i"
device = "eth1"
[[link]]
ends = ["a", "s"]
address = ["auto", "10.0.0.1/24"]
[[link]]
ends = ["a", "i"]
address = ["10.0.0.1", "none"]
[[link]]
ends = ["s", "i"]
address = ["none"]
mac = ["02:00:00:00:00:01", "auto"]
)",
     {"3:11: '10.0.0.0/24' is the first address of its network: write the address of a host in it, as in \"10.10.0.1/24\"",
      "11:20: a port of a switch has no address: write \"none\" here; hosts and 'gateway' of the switch have addresses",
      "14:12: '10.0.0.1' has no prefix length: write \"10.0.0.1/24\", with the length of its network",
      "16:9: a port of a switch has no MAC address of its own: write \"auto\" in 'mac'",
      "16:14: a second link to i, which is one interface: put a switch between them",
      "17:11: 'address' must have 2 elements, not 1: write one for each end, in the order of 'ends'"}},
    {"VLANs that are none, and where none can be", R"([[host]]
name = "a"
[[host]]
name = "b"
[[switch]]
name = "s"
[[link]]
ends = ["a", "b"]
vlan = 10
[[link]]
ends = ["a", "s"]
vlan = 5000
trunk = [10, 10]
[[link]]
ends = ["a", "s"]
trunk = []
)",
     {"9:1: a link with VLANs, but without a switch: remove 'vlan' and 'trunk'; hosts tag by devices of their own",
      "12:8: 'vlan' is 5000: use 1 to 4094",
      "13:1: a port has either 'vlan' or 'trunk': remove 'trunk' for an access port, 'vlan' for a trunk",
      "13:14: VLAN 10 stands twice in 'trunk': remove one",
      "16:9: a trunk without VLANs: write trunk = [10, 20], or remove it to carry them all"}},
    {"an address without a link", R"([[host]]
name = "a"
address = ["10.0.0.1/24"]
)",
     {"3:11: a has an address, but no link: add a [[link]] with ends = [\"a\", ...]"}},
    {"routes that lead nowhere", R"([[host]]
name = "a"
gateway = "nobody"
routes = [{ to = "10.0.0.0/8" }, { to = "10.0.0.1/8", via = "::1" }, { to = "10.0.0.0/8", via = "fd00::1" }]
[[router]]
name = "r"
routes = [{ to = "10.0.0.0/8", device = "eth0" }]
)",
     {"3:11: 'nobody' is not the address of a next hop: write it as in \"10.0.0.1\"",
      "4:11: the route leads nowhere: add via = \"10.0.0.1\"",
      "4:41: '10.0.0.1/8' has host bits set: write \"10.0.0.0/8\"",
      "4:61: '::1' is not the address of a next hop: write it as in \"10.0.0.1\"",
      "4:97: fd00::1 and 10.0.0.0/8 are of different families: use a next hop of the route's family",
      "7:32: a router's route leads to a next hop: write via = \"10.0.0.254\" instead"}},
    {"sysctls that are not a network's", R"([[host]]
name = "a"
sysctl = { "kernel.hostname" = "x", net.ipv4.ip_forward = [1], "net.ipv4/../x" = 1 }
)",
     {"3:12: 'kernel.hostname' is not a setting of a network namespace: write one of net, as in \"net.ipv4.ip_forward\" = 1",
      "3:59: sysctl 'net.ipv4.ip_forward' is no scalar: write a number or a string",
      "3:64: 'net.ipv4/../x' is not a setting of a network namespace: write one of net, as in \"net.ipv4.ip_forward\" = 1"}},
    {"pools that cannot be divided", R"([lab]
addresses = ["10.0.0.0/25", "10.1.0.0/16", "10.2.0.1/16"]
length = "5 minutes"
seed = -1
)",
     {"2:44: '10.2.0.1/16' has host bits set: write \"10.2.0.0/16\"",
      "3:10: '5 minutes' is not a duration: write a number and its unit, ns, us, ms, s, m or h, as in \"10ms\"",
      "4:8: 'seed' is negative: use 0 or more"}},
    {"pools that are too small, or too many", R"([lab]
addresses = ["10.0.0.0/25", "10.1.0.0/16"]
)",
     {"2:14: 10.0.0.0/25 is too small to be divided: use a network of /24 or larger",
      "2:29: a second IPv4 network: give one of each"}},
    {"impairments that are none", R"([[host]]
name = "a"
[[host]]
name = "b"
[[link]]
ends = ["a", "b"]
impair = { losss = "1%" }
there = { delay = "fast" }
)",
     {"7:12: unknown key 'losss' in the impairment of a link: did you mean 'loss'?",
      "8:19: 'fast' is not a duration: write a number and its unit, ns, us, ms, s, m or h, as in \"10ms\""}},
    {"variables that there are not", R"([variables]
rate = "10mbit"
list = [1]
[[host]]
name = "${rat}"
run = ["echo ${HOME}", "echo ${"]
)",
     {"3:8: variable 'list' is no scalar: write a string, a number or true or false",
      "5:8: no variable 'rat': did you mean 'rate'?",
      "5:8: '${rat}' is not a name: use 1 to 32 letters, digits, dots, underscores and hyphens",
      "6:8: no variable 'HOME': add it to [variables], or write $${ for a shell's own ${",
      "6:24: no variable '': add it to [variables], or write $${ for a shell's own ${"}},
    {"templates that there are not, or twice", R"([[template]]
name = "lossy"
delay = "10ms"
[[template]]
name = "lossy"
[[template]]
mtu = 9000
[[host]]
name = "a"
template = "lossyy"
[[host]]
name = "b"
template = "lossy"
)",
     {"3:1: unknown key 'delay' in [[host]]: remove it; the keys are name, template, count, first, address, gateway, routes, sysctl, run",
      "5:8: a second template 'lossy': rename it or the one in line 2",
      "6:1: [[template]] has no 'name': add name = \"lossy\"",
      "10:12: no template 'lossyy': did you mean 'lossy'?"}},
    {"ranges that cannot be counted", R"([[host]]
name = "a"
count = -1
[[host]]
name = "b"
count = [1, 2, 3]
[[host]]
name = "c"
first = 5
[[host]]
name = "d{j}"
count = 2
[[host]]
name = "e"
count = "many"
[[host]]
name = "f{i/(i-1)}"
count = 2
[[host]]
name = "g"
count = 1000000
)",
     {"3:9: 'count' is '-1': use 0 to 10000",
      "6:9: 'count' has 3 numbers: write count = 10, or count = [20, 10]",
      "9:1: 'first' without 'count': add count = 10, or remove it",
      "11:8: '{j}' has a j, but the range has one count only: write it as in \"{i}\", \"{i/10+1}\" or, with count = [20, 10], \"{i}-{j}\"",
      "15:9: 'count' is 'many': use 0 to 10000",
      "17:8: '{i/(i-1)}' divides by zero: write it as in \"{i}\", \"{i/10+1}\" or, with count = [20, 10], \"{i}-{j}\"",
      "21:9: 'count' is '1000000': use 0 to 10000"}},
    {"a range says its mistake once", R"([[host]]
name = "h"
count = 50
gateway = "x"
)",
     {"4:11: 'x' is not the address of a next hop: write it as in \"10.0.0.1\""}},
    {"ranges of ranges are limited", R"([[host]]
name = "h"
count = [10000, 10000]
)",
     {"3:9: the file's ranges make more than 50000 sections: write a smaller count"}},
    {"events that cannot happen", R"([[host]]
name = "a"
[[host]]
name = "b"
[[link]]
ends = ["a", "b"]
[[event]]
at = "5"
link = "a--b"
up = false
[[event]]
at = "5s"
repeat = "0s"
link = "a--c"
up = false
[[event]]
at = "5s"
link = "a--b"
[[event]]
at = "5s"
link = "a--b"
set = { los = "1%" }
direction = "forth"
[[event]]
at = "5s"
node = "a"
set = { loss = "1%" }
[[event]]
at = "5s"
node = "a"
run = " "
[[event]]
at = "5s"
link = "a--b"
run = "true"
[[event]]
at = "5s"
up = false
)",
     {"8:6: '5' is not a duration: write a number and its unit, ns, us, ms, s, m or h, as in \"10ms\"",
      "13:10: 'repeat' is 0: write it as in repeat = \"10s\"",
      "14:8: no link 'a--c': did you mean 'a--b'?",
      "18:1: a link to which nothing happens: add up = false, or set = { loss = \"1%\" }",
      "22:15: a link has no 'los': did you mean 'loss'?",
      "23:13: 'forth' is not a direction: write \"there\" or \"back\", or remove it for both",
      "27:1: a node has no impairment: name a link",
      "31:7: the command is empty: write a shell command, as in run = \"ping -c 3 h2\"",
      "35:1: a command on a link: add node = \"h1\" instead",
      "36:1: an event that happens to nothing: add link = \"h1--s1\" or node = \"h1\""}},
    {"steps that cannot be done", R"([[host]]
name = "a"
[[step]]
on = "a"
[[step]]
run = "true"
[[step]]
[[step]]
on = "b"
run = "true"
at_least = 5
[[step]]
on = "a"
run = "true"
value = "end"
[[step]]
on = "a"
run = "true"
value = "/end"
at_least = 5
at_most = 4
status = 300
[[step]]
wait = "1s"
expect = "x"
[[step]]
on = "a"
run = "true"
node = "a"
up = true
[[step]]
on = "a"
run = "true"
background = true
retry = true
)",
     {"3:1: a step on a node without a command: add run = \"ping -c 3 h2\"",
      "5:1: a command without a node: add on = \"h1\"",
      "7:1: a step that does nothing: add on = \"h1\" and run = \"...\", or wait = \"5s\"",
      "9:6: no node 'b': did you mean 'a'?",
      "11:1: 'at_least' without 'value': add value = \"/end/sum_received/bits_per_second\"",
      "15:1: 'value' without a bound: add at_least or at_most",
      "15:9: 'end' is not a JSON pointer: write it as in \"/end/sum_received/bits_per_second\"",
      "21:11: 'at_most' is 4, less than at_least = 5: swap them",
      "22:10: 'status' is 300: use 0 to 255",
      "25:1: 'expect' without a command: add on = \"h1\" and run = \"...\", or remove it",
      "28:1: a step with two actions: divide it in two",
      "35:1: a command in the background is not tried again: remove 'retry' or 'background'"}},
    {"traffic that nobody can send", R"([[host]]
name = "a"
[[switch]]
name = "s"
[[traffic]]
kind = "udp"
from = "a"
to = "s"
[[traffic]]
kind = "constant"
from = "a"
to = "a"
rate = "fast"
start = "2s"
stop = "1s"
[[traffic]]
kind = "tcp"
from = "a"
to = "a"
rate = "1mbit"
file = "x.pcap"
[[traffic]]
kind = "replay"
from = "a"
to = "a"
size = 4
)",
     {"6:8: 'udp' is not a kind of traffic: use ping, constant, poisson, tcp or replay",
      "8:6: 's' is neither a host nor a site: name a [[host]] or [[site]]: nobody else sends or receives in a simulation",
      "13:8: 'fast' is not a rate: write bits a second, bit, kbit, mbit or gbit, as in \"10mbit\"",
      "15:8: it stops before it starts: write a later 'stop', or remove it",
      "20:1: neither tcp nor a replay has a rate of its own: remove it; the link's rate is what tcp finds",
      "21:1: only a replay has a file: remove it, or write kind = \"replay\"",
      "22:1: a replay of nothing: add file = \"calls.pcap\"",
      "26:8: 'size' is 4: use 8 to 9000"}},
    {"a switch's own keys are checked as a bridge's are", R"([[switch]]
name = "s"
max_stations = 0
masquerade = true
gatway = ["10.0.0.1/24"]
)",
     {"3:16: 'max_stations' is 0: use 1 to 1048576",
      "4:1: 'masquerade' without 'gateway': add gateway = [\"10.10.0.1/24\"], or remove it",
      "5:1: unknown key 'gatway' in [[switch]]: did you mean 'gateway'?"}},
};
// clang-format on

}  // namespace

TEST_CASE("each mistake is told at its place, with its cure, and once") {
    for (const LabMistake& mistake : mistakes) {
        CAPTURE(mistake.what);
        CHECK(lab_problems(mistake.file) == mistake.problems);
    }
}

TEST_CASE("what is given beside the file is checked as well") {
    constexpr std::string_view file = "[variables]\nrate = 5\n";
    CHECK(lab_problems(file, {.variables = {{"rat", "6"}}, .name = {}, .seed = {}}) ==
          std::vector<std::string>{"1:1: no variable 'rat' to be given a value: did you mean 'rate'?"});
    CHECK(lab_problems(file, {.variables = {}, .name = "a b", .seed = {}}).size() == 1);
}

TEST_CASE("a file that is not there is a problem, not an exception") {
    const auto topology = lab::load("/nonexistent/lab.toml");
    REQUIRE_FALSE(topology.has_value());
    CHECK(topology.error() ==
          config::Problems{"/nonexistent/lab.toml:1:1: cannot read the file: No such file or directory: "
                           "give the path of a lab's file"});
}

TEST_CASE("a file cut anywhere, or with any byte changed, is read or refused") {
    const std::string file = R"([variables]
n = 3
[[template]]
name = "t"
mtu = 1400
[[host]]
name = "h{i}"
count = "${n}"
address = "10.0.{i}.1/24"
[[switch]]
name = "s"
[[link]]
ends = ["h{i}:eth5", "s"]
count = "${n}"
template = "t"
impair = { delay = "10ms", loss = "1%" }
[[event]]
at = "1s"
link = "h1--s"
set = { rate = "1mbit" }
)";
    const auto check = [](std::string_view text) {
        const auto topology = lab::parse(text, "lab.toml");
        if (topology) return;
        REQUIRE_FALSE(topology.error().empty());
        for (const std::string& problem : topology.error()) REQUIRE(problem.find('\n') == std::string::npos);
    };
    for (std::size_t size = 0; size <= file.size(); ++size) check(std::string_view{file}.substr(0, size));
    for (std::size_t i = 0; i < file.size(); ++i) {
        for (const char byte : {'\0', '"', '{', '$', '9', 'i', '\n', '\xFF'}) {
            std::string changed = file;
            changed[i] = byte;
            check(changed);
        }
    }
}

}  // namespace weft::test
