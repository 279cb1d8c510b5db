#include "cli/uplinks.h"

#include <algorithm>
#include <string>
#include <vector>

#include <net/if.h>

#include <doctest/doctest.h>

#include "tests/support/namespace_fixture.h"

namespace weft {
namespace {

struct Links {
    Links() {
        test::run("ip link add e0 type veth peer name e1 && ip link set e0 up && ip link set e1 up");
        test::run("ip addr add 192.0.2.1/24 dev e0 && ip addr add 198.51.100.1/24 dev e1");
        test::run("ip -6 addr add 2001:db8::1/64 dev e1 nodad");
    }

    ~Links() { test::run("ip link del e0"); }

    Links(const Links&) = delete;
    Links& operator=(const Links&) = delete;

    void add_peer(const std::string& host) {
        config::Peer& peer = config.peers.emplace_back();
        peer.endpoint_host = host;
    }

    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const Uplink& uplink : find_uplinks(config)) {
            CHECK(uplink.index == ::if_nametoindex(uplink.name.c_str()));
            names.push_back(uplink.name);
        }
        return names;
    }

    config::Config config;
};

using Names = std::vector<std::string>;

TEST_CASE_FIXTURE(Links, "without a route that tells one there is no uplink") {
    add_peer("b.example");
    add_peer("203.0.113.1");
    add_peer("127.0.0.1");
    CHECK(names().empty());
}

TEST_CASE_FIXTURE(Links,
                  "uplinks are the devices of the default routes and of those to the peers, each once") {
    test::run("ip route add default via 192.0.2.254");
    CHECK(names() == Names{"e0"});
    add_peer("192.0.2.7");
    add_peer("203.0.113.1");
    CHECK(names() == Names{"e0"});
    add_peer("2001:db8::7");
    auto both = names();
    std::ranges::sort(both);
    CHECK(both == Names{"e0", "e1"});
}

TEST_CASE_FIXTURE(Links, "what is configured goes before what is routed, and may not be there") {
    test::run("ip route add default via 192.0.2.254");
    config.underlay.device = "e1";
    CHECK(names() == Names{"e1"});
    config.fast_path.uplinks = {"none0", "e0"};
    CHECK(names() == Names{"none0", "e0"});
}

}  // namespace
}  // namespace weft
