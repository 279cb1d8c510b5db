// Lab topologies for tests, without a file:
//
//     LabBuilder lab;
//     const auto a = lab.host("a"), b = lab.host("b"), s = lab.add_switch("s");
//     lab.link(a, s, {.addresses = {"10.0.0.1/24"}}); ...
//
// Interfaces get the MAC addresses 02:00:00:00:LINK:END.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lab/topology.h"
#include "tests/support/packet_builder.h"

namespace weft::test {

class LabBuilder {
  public:
    struct End {
        std::vector<std::string_view> addresses{};
        std::uint16_t mtu = 1500;
        std::optional<VlanId> vlan{};
        std::vector<VlanId> trunk{};
    };

    LabBuilder() {
        topology.name = "test";
        topology.file = "test.toml";
    }

    lab::NodeIndex host(const std::string& name, std::string_view gateway = {}) {
        lab::Host host;
        if (!gateway.empty())
            host.routes.push_back({.to = prefix("0.0.0.0/0"), .via = ip(gateway), .device = std::nullopt});
        return add(name, host);
    }

    lab::NodeIndex add_switch(const std::string& name) {
        lab::Switch added;
        added.bridge.name = name;
        return add(name, added);
    }

    lab::NodeIndex router(const std::string& name) { return add(name, lab::Router{}); }

    lab::NodeIndex add(const std::string& name, decltype(lab::Node::kind) kind) {
        topology.nodes.push_back({.name = name, .kind = std::move(kind)});
        return static_cast<lab::NodeIndex>(topology.nodes.size() - 1);
    }

    lab::LinkIndex link(lab::NodeIndex a, lab::NodeIndex b, const End& at_a, const End& at_b,
                        const Impairment& both = {}) {
        const auto index = static_cast<lab::LinkIndex>(topology.links.size());
        lab::Link link;
        link.name = topology.nodes[a].name + "-" + topology.nodes[b].name + "-" + std::to_string(index);
        link.ends = {end(a, index, 0, at_a), end(b, index, 1, at_b)};
        link.impairment = {both, both};
        topology.links.push_back(std::move(link));
        return index;
    }

    lab::LinkIndex link(lab::NodeIndex a, lab::NodeIndex b, const Impairment& both = {}) {
        return link(a, b, {}, {}, both);
    }

    static Impairment delayed(Duration by) {
        Impairment impairment;
        impairment.delay.mean = by;
        return impairment;
    }

    static MacAddress mac_of(lab::LinkIndex link, std::uint8_t which) {
        return {{0x02, 0, 0, static_cast<std::uint8_t>(link >> 8U), static_cast<std::uint8_t>(link), which}};
    }

    lab::Topology topology;

  private:
    static lab::LinkEnd end(lab::NodeIndex node, lab::LinkIndex link, std::uint8_t which, const End& as) {
        lab::LinkEnd end;
        end.node = node;
        end.interface = "eth" + std::to_string(link);
        end.mac = mac_of(link, which);
        for (const auto address : as.addresses) end.addresses.push_back(prefix(address));
        end.mtu = as.mtu;
        end.vlan = as.vlan;
        end.trunk = as.trunk;
        return end;
    }
};

}  // namespace weft::test
