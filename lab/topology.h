// A lab as its file describes it (topology_file.h), with everything decided: templates are unfolded,
// addresses and MAC addresses assigned, names resolved to indices. Plain values; network.h brings them to
// life, in real time (runner.h) or in virtual time (simulation.h).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "config/config.h"
#include "vswitch/address.h"
#include "vswitch/emulation/impairment.h"
#include "vswitch/id.h"

namespace weft::lab {

using NodeIndex = std::uint32_t;
using LinkIndex = std::uint32_t;

struct HostRoute {
    Prefix to;
    std::optional<IpAddress> via;  // absent: on the link of `device`
    std::optional<std::string> device;

    friend bool operator==(const HostRoute&, const HostRoute&) = default;
};

// A network namespace with processes in it.
struct Host {
    std::vector<HostRoute> routes;
    std::map<std::string, std::string> sysctl;  // "net.ipv4.ip_forward": "1"
    std::vector<std::string> run;  // shell commands, started in order when the lab is up, and left alone

    friend bool operator==(const Host&, const Host&) = default;
};

// A learning bridge of weft's, with the keys of [[bridge]].
struct Switch {
    config::Bridge bridge;

    friend bool operator==(const Switch&, const Switch&) = default;
};

// A router of weft's: each of its interfaces is a gateway on its link.
struct Router {
    std::vector<config::Route> routes;  // `to` and `via`

    friend bool operator==(const Router&, const Router&) = default;
};

// A weftd of its own in a namespace of its own, with its production configuration file.
struct Site {
    std::string config;                         // the file's path
    std::vector<HostRoute> routes;              // of its namespace
    std::map<std::string, std::string> sysctl;  // as a host's
    std::vector<std::string> run;               // as a host's; before its weftd is started

    friend bool operator==(const Site&, const Site&) = default;
};

// An interface of the machine's own, which is given to the lab (opt-in).
struct RealInterface {
    std::string device;

    friend bool operator==(const RealInterface&, const RealInterface&) = default;
};

struct Node {
    std::string name;
    std::variant<Host, Switch, Router, Site, RealInterface> kind;

    friend bool operator==(const Node&, const Node&) = default;
};

// Where a link ends: an interface of a host, a site or a router, or a port of a switch.
struct LinkEnd {
    NodeIndex node = 0;
    std::string interface;          // "eth0"; of a switch: the port's name, that of the link
    MacAddress mac;                 // of a host, site or router
    std::vector<Prefix> addresses;  // of a host, site or router
    std::uint16_t mtu = 1500;
    std::optional<VlanId> vlan;  // of a switch: the access VLAN
    std::vector<VlanId> trunk;   // of a switch

    friend bool operator==(const LinkEnd&, const LinkEnd&) = default;
};

enum class Direction : std::uint8_t { there, back };  // from ends[0] to ends[1], and from there

struct Link {
    std::string name;
    std::array<LinkEnd, 2> ends;
    std::array<Impairment, 2> impairment;  // by Direction

    friend bool operator==(const Link&, const Link&) = default;
};

// Something that is done to a link or a node, by an event, a step, or `weft lab set`.
struct SetLink {
    LinkIndex link = 0;
    std::optional<Direction> direction;                         // absent: both
    std::vector<std::pair<std::string, std::string>> settings;  // keys of [link.impair], checked

    friend bool operator==(const SetLink&, const SetLink&) = default;
};

struct SwitchLink {
    LinkIndex link = 0;
    std::optional<Direction> direction;
    bool up = true;

    friend bool operator==(const SwitchLink&, const SwitchLink&) = default;
};

struct SwitchNode {  // all of its links
    NodeIndex node = 0;
    bool up = true;

    friend bool operator==(const SwitchNode&, const SwitchNode&) = default;
};

struct RunCommand {
    NodeIndex node = 0;
    std::string command;

    friend bool operator==(const RunCommand&, const RunCommand&) = default;
};

using Action = std::variant<SetLink, SwitchLink, SwitchNode, RunCommand>;

struct TimedEvent {
    Duration at{0};                  // from when the lab is up
    std::optional<Duration> repeat;  // then again and again
    Action action;

    friend bool operator==(const TimedEvent&, const TimedEvent&) = default;
};

// A line of the file's script, for `weft lab run`: one after the other.
struct Step {
    struct Expectation {
        int status = 0;
        std::optional<std::string> output{};   // is somewhere in it
        std::optional<std::string> pointer{};  // RFC 6901 into the output, which is JSON: a number, and
        std::optional<double> at_least{};
        std::optional<double> at_most{};

        friend bool operator==(const Expectation&, const Expectation&) = default;
    };

    std::string name;              // what it shows; default: the command
    std::optional<Duration> wait;  // before the action
    std::optional<Action> action;
    bool background = false;          // of a command: it goes on; ended with the script
    Duration within{30'000'000'000};  // a command that takes longer has failed
    bool retry = false;               // again until it is as expected, or `within` has passed
    Expectation expect;
    unsigned line = 0;  // of the file

    friend bool operator==(const Step&, const Step&) = default;
};

// For simulations: traffic without processes.
struct Traffic {
    enum class Kind : std::uint8_t { ping, constant, poisson, tcp, replay };

    std::string name;
    Kind kind = Kind::ping;
    NodeIndex from = 0;  // a host or a site
    NodeIndex to = 0;
    Duration start{0};
    std::optional<Duration> stop;
    std::uint32_t size = 64;  // bytes of UDP or ICMP payload; of a TCP segment
    double rate = 1;          // ping: packets a second; constant, poisson: bits a second of payload
    std::string file;         // replay: a pcap or pcapng

    friend bool operator==(const Traffic&, const Traffic&) = default;
};

struct Topology {
    std::string name;
    std::string file;
    std::uint64_t seed = 1;
    std::vector<std::string> init;  // shell commands, one after the other, before anything is started; not in
                                    // a node, but where all of them are seen
    std::vector<Node> nodes;
    std::vector<Link> links;
    std::vector<TimedEvent> events;
    std::vector<Step> script;
    std::vector<Traffic> traffic;
    std::optional<Duration> length;  // of a simulation

    friend bool operator==(const Topology&, const Topology&) = default;
};

}  // namespace weft::lab
