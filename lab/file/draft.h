// A lab between its file and its Topology: what the sections say, each by itself, with the places where they
// say it. resolve.h joins the ends to the nodes, addressing.h and routing.h decide what was left open.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/report.h"
#include "lab/file/unfold.h"
#include "lab/topology.h"
#include "vswitch/address.h"

namespace weft::lab {

struct NodeDraft {
    Node node;
    config::Position at;            // of its name
    std::vector<Prefix> addresses;  // of its first interface
    config::Position addresses_at;
    std::vector<IpAddress> gateways;
    bool has_default_route = false;  // or wants none: nothing is added
};

struct EndDraft {
    std::string node;
    std::string interface;  // empty: the next one
    config::Position at;
    std::vector<Prefix> addresses;
    config::Position addresses_at;
    bool has_addresses = false;  // or wants none
    std::optional<MacAddress> mac;
};

struct LinkDraft {
    std::string name;
    bool is_named = false;  // by the file
    config::Position at;
    std::array<EndDraft, 2> ends;
    std::uint16_t mtu = 1500;
    std::optional<VlanId> vlan;
    std::vector<VlanId> trunk;
    config::Position tags_at;
    std::array<Impairment, 2> impairment;
};

struct Draft {
    Topology topology;  // what is of the lab as a whole; nodes and links come later
    std::optional<Prefix> pool;
    std::optional<Prefix> pool_v6;
    config::Position pool_at;
    std::vector<NodeDraft> nodes;  // in the order of the file
    std::vector<LinkDraft> links;
};

// By name, for what refers to them.
struct Names {
    std::map<std::string, NodeIndex> nodes;
    std::map<std::string, LinkIndex> links;
};

// [lab]; `file` for the name that it has without.
void read_lab(const config::Section& file, const std::string& path, Draft& draft);

// [[host]], [[switch]], [[router]], [[site]] and [[interface]].
void read_nodes(Unfolder& unfolder, Draft& draft);

void read_links(Unfolder& unfolder, Draft& draft);

// Of a [[link]], both directions.
std::array<Impairment, 2> read_link_impairment(const config::Section& link);

// [[event]], [[step]] and [[traffic]]: the nodes and links of the topology are known by then.
void read_events(Unfolder& unfolder, const Names& names, Topology& topology);
void read_steps(Unfolder& unfolder, const Names& names, Topology& topology);
void read_traffic(Unfolder& unfolder, const Names& names, Topology& topology);

}  // namespace weft::lab
