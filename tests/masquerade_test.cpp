#include "cli/masquerade.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <doctest/doctest.h>

#include "cli/forwarding.h"
#include "tests/support/packet_builder.h"
#include "tests/support/temporary_folder.h"

using namespace weft;
using test::prefix;

namespace {

config::Port port(std::string device, config::Port::Type type, std::optional<std::string> netns = {}) {
    config::Port result;
    result.name = "port of " + device;
    result.device = std::move(device);
    result.type = type;
    result.netns = std::move(netns);
    return result;
}

// A /proc/sys/net of three devices.
class Tree {
  public:
    Tree() {
        write("ipv4/ip_forward", "0");
        write("ipv6/conf/all/forwarding", "0");
        write("ipv6/conf/all/accept_ra", "1");
        write("ipv6/conf/default/accept_ra", "1");
        write("ipv6/conf/eth0/accept_ra", "1");
        write("ipv6/conf/eth1/accept_ra", "0");
        write("ipv6/conf/eth2/accept_ra", "2");
    }

    [[nodiscard]] const std::string& path() const { return folder_.path(); }

    [[nodiscard]] std::string read(const std::string& file) const {
        std::ifstream in{folder_ / file};
        return {std::istreambuf_iterator<char>{in}, {}};
    }

  private:
    void write(const std::string& file, std::string_view value) const {
        std::filesystem::create_directories(std::filesystem::path{folder_ / file}.parent_path());
        std::ofstream{folder_ / file} << value;
    }

    test::TemporaryFolder folder_;
};

}  // namespace

TEST_CASE("the gateways' networks of masqueraded bridges are sources, and those of others are not") {
    config::Config config;
    config.node.name = "n";
    config::Bridge lan;
    lan.gateway = {prefix("10.10.0.1/24"), prefix("fd00:10::1/64")};
    config::Bridge inner;
    inner.gateway = {prefix("10.30.0.1/24")};
    config.bridges = {lan, inner};
    CHECK_FALSE(nat_rules(config));
    config.bridges[0].masquerade = true;
    REQUIRE(nat_rules(config));
    CHECK(nat_rules(config)->node == "n");
    CHECK(nat_rules(config)->sources == std::vector{prefix("10.10.0.0/24"), prefix("fd00:10::/64")});
}

TEST_CASE("what leaves by a device that weft has made in its own namespace is left alone") {
    config::Config config;
    config::Bridge lan;
    lan.gateway = {prefix("10.10.0.1/24")};
    lan.masquerade = true;
    config.bridges = {lan};
    config.ports = {port("weft-out", config::Port::Type::tun), port("lan0", config::Port::Type::tap),
                    port("eth0", config::Port::Type::tap, "host-a"),
                    port("eth1", config::Port::Type::packet)};
    CHECK(nat_rules(config)->devices == std::vector<std::string>{"weft-out", "lan0"});
}

TEST_CASE("IPv4 is forwarded by one switch") {
    const Tree tree;
    CHECK(write_forwarding(tree.path(), IpVersion::v4));
    CHECK(tree.read("ipv4/ip_forward") == "1");
    CHECK(tree.read("ipv6/conf/all/forwarding") == "0");
    CHECK(tree.read("ipv6/conf/eth0/accept_ra") == "1");
}

TEST_CASE("a host that begins to forward IPv6 goes on listening to the routers that it has listened to") {
    const Tree tree;
    CHECK(write_forwarding(tree.path(), IpVersion::v6));
    CHECK(tree.read("ipv6/conf/all/forwarding") == "1");
    CHECK(tree.read("ipv6/conf/eth0/accept_ra") == "2");
    CHECK(tree.read("ipv6/conf/eth1/accept_ra") == "0");
    CHECK(tree.read("ipv6/conf/eth2/accept_ra") == "2");
    CHECK(tree.read("ipv6/conf/default/accept_ra") == "1");
    CHECK(tree.read("ipv4/ip_forward") == "0");
}

TEST_CASE("a switch that cannot be written to is told") {
    const test::TemporaryFolder empty;
    CHECK_FALSE(write_forwarding(empty.path(), IpVersion::v4));
    CHECK_FALSE(write_forwarding(empty.path(), IpVersion::v6));
}
