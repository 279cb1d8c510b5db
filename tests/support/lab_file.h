// Labs' files as texts, read or refused.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "lab/file/topology_file.h"

namespace weft::test {

inline lab::Topology read_lab(std::string_view text, const lab::Overrides& overrides = {}) {
    auto topology = lab::parse(text, "/labs/lab.toml", overrides);
    if (!topology) {
        for (const std::string& problem : topology.error()) MESSAGE(problem);
    }
    REQUIRE(topology.has_value());
    return *topology;
}

// What is wrong with it, each after "FILE:".
inline std::vector<std::string> lab_problems(std::string_view text, const lab::Overrides& overrides = {}) {
    const auto topology = lab::parse(text, "/labs/lab.toml", overrides);
    if (topology) return {};
    std::vector<std::string> problems;
    for (const std::string& problem : topology.error()) {
        REQUIRE(problem.starts_with("/labs/lab.toml:"));
        problems.push_back(problem.substr(std::string_view{"/labs/lab.toml:"}.size()));
    }
    return problems;
}

inline const lab::Link& link_named(const lab::Topology& topology, std::string_view name) {
    for (const lab::Link& link : topology.links) {
        if (link.name == name) return link;
    }
    FAIL("no link " << std::string{name});
    return topology.links.front();
}

inline const lab::Node& node_named(const lab::Topology& topology, std::string_view name) {
    for (const lab::Node& node : topology.nodes) {
        if (node.name == name) return node;
    }
    FAIL("no node " << std::string{name});
    return topology.nodes.front();
}

// "10.0.0.1/24 fd00::1/64"
inline std::string addresses_of(const lab::LinkEnd& end) {
    std::string out;
    for (const Prefix& address : end.addresses) out += (out.empty() ? "" : " ") + address.to_string();
    return out;
}

// "0.0.0.0/0 via 10.0.0.1", one a line.
template <class Routes>
std::string routes_text(const Routes& routes) {
    std::string out;
    for (const auto& route : routes) {
        out += (out.empty() ? "" : "\n") + route.to.to_string();
        if (route.via) out += " via " + route.via->to_string();
    }
    return out;
}

}  // namespace weft::test
