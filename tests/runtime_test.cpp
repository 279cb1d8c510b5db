#include "cli/runtime.h"

#include <algorithm>
#include <stdexcept>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/support/packet_builder.h"
#include "tests/support/temporary_folder.h"

using namespace weft;
using nlohmann::json;
using test::prefix;

namespace {

// A node that takes what it is given, but for ports of the name "refused".
struct Node {
    Node() {
        config.node.name = "a";
        config::Bridge pods;
        pods.name = "pods";
        pods.gateway = {prefix("10.1.0.1/24")};
        config.bridges.push_back(pods);
    }

    Runtime::Node callbacks() {
        return {.add_port =
                    [this](const config::Port& port) {
                        if (port.name == "refused") throw std::runtime_error("cannot be had");
                        config.ports.push_back(port);
                    },
                .remove_port = [this](const std::string& name) { erase(config.ports, name); },
                .add_bridge = [this](const config::Bridge& bridge) { config.bridges.push_back(bridge); },
                .remove_bridge = [this](const std::string& name) { erase(config.bridges, name); },
                .config = [this]() -> const config::Config& { return config; },
                .port = [](const std::string&) { return PortInfo{.name = {}, .mtu = 1500}; }};
    }

    template <class List>
    static void erase(List& list, const std::string& name) {
        std::erase_if(list, [&](const auto& entry) { return entry.name == name; });
    }

    config::Config config;
};

struct Started {
    explicit Started(const std::string& folder) : runtime(node.callbacks()) { runtime.begin(folder); }

    Node node;
    Runtime runtime;
};

json port(const std::string& name, const std::string& address = "10.1.0.5/24") {
    return {{"name", name},   {"type", "veth"},   {"netns", "/proc/self/ns/net"},
            {"device", name}, {"bridge", "pods"}, {"address", {address}}};
}

}  // namespace

TEST_CASE("a port that is added is there, kept, and the same one again is the same answer") {
    const test::TemporaryFolder folder;
    Started a(folder.path());
    const json answer = a.runtime.port_add(port("c1"));
    CHECK(answer.at("gateway") == json{"10.1.0.1/24"});
    REQUIRE(a.node.config.ports.size() == 1);
    CHECK(a.node.config.ports[0].keep);
    CHECK(a.node.config.ports[0].spoof_check);
    CHECK(a.runtime.port_add(port("c1")) == answer);
    CHECK(a.node.config.ports.size() == 1);
    CHECK_THROWS_AS(a.runtime.port_add(port("c1", "10.1.0.6/24")), std::runtime_error);
}

TEST_CASE("what cannot be had is not kept") {
    const test::TemporaryFolder folder;
    Started a(folder.path());
    CHECK_THROWS_AS(a.runtime.port_add(port("refused")), std::runtime_error);
    json nowhere = port("c2");
    nowhere["bridge"] = "other";
    CHECK_THROWS_AS(a.runtime.port_add(nowhere), std::runtime_error);
    CHECK(a.runtime.runtime_ports().at("ports").empty());
}

TEST_CASE("after a restart ports and leases are back, but for those whose namespace is gone") {
    const test::TemporaryFolder folder;
    {
        Started a(folder.path());
        a.runtime.port_add(port("c1"));
        json gone = port("c2", "10.1.0.6/24");
        gone["netns"] = "/nonexistent/netns";
        a.runtime.port_add(gone);
        a.runtime.ipam_allocate({{"pool", "pods"}, {"owner", "c9/eth0"}, {"address", {"10.1.0.9"}}});
        a.runtime.bridge_add({{"name", "more"}, {"vni", 7}});
    }
    const Started b(folder.path());
    REQUIRE(b.node.config.ports.size() == 1);
    CHECK(b.node.config.ports[0].name == "c1");
    CHECK(b.node.config.bridges.size() == 2);
    CHECK(b.runtime.ipam().at("pools")[0].at("leases")[0].at("owner") == "c9/eth0");
}

TEST_CASE("a port that goes takes the leases of its addresses with it, and going twice is nothing") {
    const test::TemporaryFolder folder;
    Started a(folder.path());
    a.runtime.ipam_allocate({{"pool", "pods"}, {"owner", "c1/eth0"}, {"address", {"10.1.0.5"}}});
    a.runtime.port_add(port("c1"));
    CHECK(a.runtime.port_del({{"name", "c1"}}) == json{{"removed", true}});
    CHECK(a.runtime.ipam().at("pools")[0].at("leases").empty());
    CHECK(a.runtime.port_del({{"name", "c1"}}) == json{{"removed", false}});
}

TEST_CASE("a configuration that is applied keeps what was added, and may not contradict it") {
    const test::TemporaryFolder folder;
    Started a(folder.path());
    a.runtime.port_add(port("c1"));
    config::Config next;
    CHECK_THROWS_WITH_AS(
        a.runtime.complete(next),
        "port c1 was added at run time, and there is no bridge pods any more: weft port del c1",
        std::runtime_error);
    next.bridges = a.node.config.bridges;
    a.runtime.complete(next);
    CHECK(next.ports == a.node.config.ports);
    CHECK_THROWS_AS(a.runtime.complete(next), std::runtime_error);  // it has a port of the name now
}

TEST_CASE("a bridge with ports stays, and so does what stands in the configuration") {
    const test::TemporaryFolder folder;
    Started a(folder.path());
    CHECK_THROWS_AS(a.runtime.bridge_del({{"name", "pods"}}), std::runtime_error);
    a.runtime.bridge_add({{"name", "more"}});
    json on_more = port("c1");
    on_more["bridge"] = "more";
    a.runtime.port_add(on_more);
    CHECK_THROWS_AS(a.runtime.bridge_del({{"name", "more"}}), std::runtime_error);
    a.runtime.port_del({{"name", "c1"}});
    CHECK(a.runtime.bridge_del({{"name", "more"}}) == json{{"removed", true}});
}
