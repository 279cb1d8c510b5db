// Loops of switches, which are found before anything is sent.
#include <chrono>

#include <doctest/doctest.h>

#include "lab/simulation/simulation.h"
#include "lab/switch_loop.h"
#include "tests/support/lab_builder.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;
using lab::Closed;
using lab::find_switch_loop;

namespace {

using Vlans = std::vector<VlanId>;

LabBuilder::End access(std::uint16_t vlan) {
    return {.vlan = VlanId{vlan}};
}

LabBuilder::End trunk(std::initializer_list<std::uint16_t> vlans) {
    LabBuilder::End end;
    for (const std::uint16_t vlan : vlans) end.trunk.emplace_back(vlan);
    return end;
}

void link(LabBuilder& lab, lab::NodeIndex a, lab::NodeIndex b, const LabBuilder::End& both) {
    lab.link(a, b, both, both);
}

// x, y and z in a ring, a host at each; the links have 1 ms, and these are 0, 1, 2.
struct Ring : LabBuilder {
    Ring() {
        for (const auto* name : {"x", "y", "z"}) switches.push_back(add_switch(name));
        for (std::size_t i = 0; i < 3; ++i) link(switches[i], switches[(i + 1) % 3], delayed(1ms));
        for (std::size_t i = 0; i < 3; ++i) {
            hosts.push_back(host("h" + std::to_string(i)));
            const std::string address = "10.0.0." + std::to_string(i + 1) + "/24";
            LabBuilder::link(hosts[i], switches[i], {.addresses = {address}}, {});
        }
        topology.traffic.push_back({.name = "pings",
                                    .kind = lab::Traffic::Kind::ping,
                                    .from = hosts[0],
                                    .to = hosts[1],
                                    .stop = std::nullopt,
                                    .file = {}});
        topology.length = 3600s;
    }

    using LabBuilder::link;

    std::vector<lab::NodeIndex> switches;
    std::vector<lab::NodeIndex> hosts;
};

std::string outcome(const lab::Topology& topology) {
    try {
        lab::simulate(topology, {.length = std::nullopt});
        return "ended";
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

}  // namespace

TEST_CASE("a tree of switches, with hosts and routers between them, has no loop") {
    LabBuilder lab;
    const auto x = lab.add_switch("x");
    const auto y = lab.add_switch("y");
    const auto z = lab.add_switch("z");
    const auto host = lab.host("h");
    const auto router = lab.router("r");
    lab.link(x, y);
    lab.link(y, z);
    for (const auto between : {host, router}) {
        lab.link(x, between);
        lab.link(z, between);
    }
    CHECK_FALSE(find_switch_loop(lab.topology, Closed::now));
    CHECK_FALSE(find_switch_loop(lab.topology, Closed::possibly));
}

TEST_CASE("a loop is found with its switches and links, in order, and without what only hangs at it") {
    LabBuilder lab;
    std::vector<lab::NodeIndex> s;
    s.reserve(6);
    for (int i = 0; i < 6; ++i) s.push_back(lab.add_switch("s" + std::to_string(i)));
    lab.link(s[0], s[1]);
    lab.link(s[1], s[2]);
    lab.link(s[3], s[2]);
    lab.link(s[3], s[4]);
    lab.link(s[2], s[5]);
    lab.link(s[1], s[4]);
    const auto loop = find_switch_loop(lab.topology, Closed::now);
    REQUIRE(loop);
    CHECK(loop->switches == std::vector<lab::NodeIndex>{s[1], s[2], s[3], s[4]});
    CHECK(loop->links == std::vector<lab::LinkIndex>{1, 2, 3, 5});
    CHECK(lab::describe(*loop, lab.topology) ==
          "the switches s1, s2, s3, s4 are in a loop by the links s1-s2-1, s3-s2-2, s3-s4-3, s1-s4-5: a "
          "broadcast may go round in it for ever: set a link of it down (up = false), or use [[router]]s");
}

TEST_CASE("two links between the same switches are a loop, and one of a switch with itself") {
    LabBuilder lab;
    const auto x = lab.add_switch("x");
    const auto y = lab.add_switch("y");
    lab.link(x, y);
    lab.link(y, x);
    auto loop = find_switch_loop(lab.topology, Closed::now);
    REQUIRE(loop);
    CHECK(loop->links.size() == 2);
    lab.topology.links.resize(1);
    lab.link(y, y);
    loop = find_switch_loop(lab.topology, Closed::now);
    REQUIRE(loop);
    CHECK(loop->switches == std::vector{y});
    CHECK(lab::describe(*loop, lab.topology).starts_with("the switch y is linked to itself by y-y-1: "));
}

TEST_CASE("a link that is down in one direction closes no loop, but may come up") {
    Ring ring;
    CHECK(find_switch_loop(ring.topology, Closed::now));
    ring.topology.links[1].impairment[1].up = false;
    CHECK_FALSE(find_switch_loop(ring.topology, Closed::now));
    CHECK(find_switch_loop(ring.topology, Closed::possibly));
}

TEST_CASE("VLANs that have no loop each have none together") {
    struct Case {
        const char* name = "";
        LabBuilder::End first;
        LabBuilder::End second;
        std::optional<VlanId> loop;
    };

    for (const auto& [name, first, second, expected] : {
             Case{"different access ports", access(10), access(20), {}},
             Case{"the same access port", access(10), access(10), VlanId{10}},
             Case{"an access port and a trunk without it", access(10), trunk({20, 30}), {}},
             Case{"an access port and a trunk with it", access(10), trunk({20, 10}), VlanId{10}},
             Case{"trunks that have nothing in common", trunk({10, 20}), trunk({30}), {}},
             Case{"trunks that have one in common", trunk({10, 20}), trunk({30, 20}), VlanId{20}},
             Case{"all VLANs and one of them", {}, access(10), VlanId{10}},
             Case{"all VLANs twice", {}, {}, untagged},
         }) {
        CAPTURE(name);
        LabBuilder lab;
        const auto x = lab.add_switch("x");
        const auto y = lab.add_switch("y");
        link(lab, x, y, first);
        link(lab, x, y, second);
        const auto loop = find_switch_loop(lab.topology, Closed::now);
        CHECK((loop ? std::optional{loop->vlan} : std::nullopt) == expected);
        if (loop && loop->vlan == VlanId{10})
            CHECK(lab::describe(*loop, lab.topology).find(" in VLAN 10: ") != std::string::npos);
    }
}

TEST_CASE("a simulation of a storm ends soon and says where the loop is") {
    const Ring ring;
    const std::string said = outcome(ring.topology);
    CAPTURE(said);
    CHECK(said.starts_with("test.toml: a storm: in "));
    CHECK(said.find("the switches z, y, x are in a loop") != std::string::npos);
}

TEST_CASE("a storm that an event makes possible ends a simulation, too, and not before") {
    Ring ring;
    lab::Traffic later = ring.topology.traffic[0];
    later.from = ring.hosts[2];  // who has to ask where the other one is
    later.start = 1801s;
    ring.topology.traffic.push_back(later);
    for (Impairment& impairment : ring.topology.links[1].impairment) impairment.up = false;
    ring.topology.events.push_back({.at = 1800s,
                                    .repeat = std::nullopt,
                                    .action = lab::SwitchLink{.link = 1, .direction = {}, .up = true}});
    const std::string said = outcome(ring.topology);
    CAPTURE(said);
    const std::string_view before = "test.toml: a storm: in ";
    REQUIRE(said.starts_with(before));
    CHECK(std::stod(said.substr(before.size())) > 1801);
}

TEST_CASE("a ring that is cut is simulated, with as much traffic as there may be") {
    Ring ring;
    ring.topology.links[1].impairment[0].up = false;
    ring.topology.length = 60s;
    for (std::size_t i = 0; i < 3; ++i) {
        ring.topology.traffic.push_back({.name = "bits",
                                         .kind = lab::Traffic::Kind::constant,
                                         .from = ring.hosts[i],
                                         .to = ring.hosts[(i + 1) % 3],
                                         .stop = std::nullopt,
                                         .size = 100,
                                         .rate = 1e6,
                                         .file = {}});
    }
    CHECK(outcome(ring.topology) == "ended");
}
