// Results: what is printed for an attachment in each version, and what is read out of an IPAM plugin's.
#include <stdexcept>

#include <doctest/doctest.h>

#include "cni/result.h"

using namespace weft;
using namespace weft::cni;
using nlohmann::json;

namespace {

// As it comes from a pipe: a positive number is an unsigned one.
Allocation read_allocation(const json& answer) {
    return parse_allocation(json::parse(answer.dump()));
}

Prefix prefix(const char* text) {
    return *Prefix::parse(text);
}

IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}

Attachment attachment() {
    Attachment made{.ifname = "eth0", .netns = "/n", .mac = "02:00:00:00:00:01", .mtu = 1400, .network = {}};
    made.network.addresses = {{prefix("10.1.0.5/24"), ip("10.1.0.1")}, {prefix("fd00::5/128"), std::nullopt}};
    made.network.routes = {{.to = prefix("10.9.1.1/16"), .via = ip("10.1.0.1"), .mtu = 1300},
                           {.to = prefix("::/0")}};
    return made;
}

}  // namespace

TEST_CASE("a result has the form of its version") {
    const auto old = to_result(attachment(), Version::v0_4_0, {});
    CHECK(old["cniVersion"] == "0.4.0");
    CHECK(old["interfaces"] == json{{{"name", "eth0"}, {"mac", "02:00:00:00:00:01"}, {"sandbox", "/n"}}});
    CHECK(old["ips"] ==
          json{{{"version", "4"}, {"address", "10.1.0.5/24"}, {"gateway", "10.1.0.1"}, {"interface", 0}},
               {{"version", "6"}, {"address", "fd00::5/128"}, {"interface", 0}}});
    CHECK(old["routes"] == json{{{"dst", "10.9.0.0/16"}, {"gw", "10.1.0.1"}}, {{"dst", "::/0"}}});
    CHECK(old["dns"] == json::object());

    const auto recent = to_result(attachment(), Version::v1_1_0, {});
    CHECK(recent["interfaces"][0]["mtu"] == 1400);
    CHECK_FALSE(recent["ips"][0].contains("version"));
    CHECK(recent["routes"][0]["mtu"] == 1300);
    CHECK_FALSE(to_result(attachment(), Version::v1_0_0, {})["interfaces"][0].contains("mtu"));
}

TEST_CASE("what a result says can be read back, for the interface alone") {
    const json before = {{"interfaces", {{{"name", "br0"}}}},
                         {"ips", {{{"address", "192.0.2.1/24"}, {"interface", 0}}}}};
    const auto result = to_result(attachment(), Version::v1_1_0, before);
    CHECK(find_interface(result, "eth0") == std::size_t{1});
    CHECK_FALSE(find_interface(result, "br0"));
    const auto read = parse_attachment(result, 1);
    CHECK(read.mac == "02:00:00:00:00:01");
    CHECK(read.mtu == 1400);
    REQUIRE(read.network.addresses.size() == 2);
    CHECK(read.network.addresses[0].address == prefix("10.1.0.5/24"));
    CHECK(read.network.addresses[1].address == prefix("fd00::5/128"));
    CHECK(read.network.routes.size() == 2);
}

TEST_CASE("an interface of the host comes before the container's, without a sandbox") {
    auto made = attachment();
    made.host = {.name = "pods0", .mac = "02:00:00:00:00:02"};
    const auto result = to_result(made, Version::v0_4_0, {});
    CHECK(result["interfaces"][0] == json{{"name", "pods0"}, {"mac", "02:00:00:00:00:02"}});
    CHECK(find_interface(result, "eth0") == std::size_t{1});
    CHECK(result["ips"][0]["interface"] == 1);
    CHECK(parse_attachment(result, 1).network.addresses.size() == 2);
}

TEST_CASE("dns of the attachment takes the place of the result's before it, if there is any") {
    auto ours = attachment();
    const json before = {{"dns", {{"domain", "theirs"}}}};
    CHECK(to_result(ours, Version::v1_0_0, before)["dns"] == json{{"domain", "theirs"}});
    ours.network.dns = {{"domain", "ours"}};
    CHECK(to_result(ours, Version::v1_0_0, before)["dns"] == json{{"domain", "ours"}});
}

TEST_CASE("an IPAM plugin's answer is read whole or refused") {
    const auto read =
        read_allocation({{"ips", {{{"version", "4"}, {"address", "10.1.0.5/24"}, {"gateway", ""}}}},
                         {"routes", {{{"dst", "0.0.0.0/0"}, {"table", 77}, {"scope", 253}}}},
                         {"dns", {{"domain", "x"}}}});
    CHECK(read.addresses.size() == 1);
    CHECK_FALSE(read.addresses.front().gateway);
    CHECK(read.routes.front().table == 77U);
    CHECK(read.routes.front().scope == std::uint8_t{253});
    CHECK(read.dns == json{{"domain", "x"}});
    CHECK(read_allocation(nullptr).addresses.empty());
    CHECK(read_allocation({{"ips", nullptr}}).addresses.empty());

    const json wrong[] = {
        {{"ips", "x"}},
        {{"ips", {"10.1.0.5/24"}}},
        {{"ips", {{{"address", "10.1.0.5"}}}}},
        {{"ips", {{{"address", "10.1.0.5/33"}}}}},
        {{"ips", {{{"address", "10.1.0.5/24"}, {"gateway", "fd00::1"}}}}},
        {{"routes", {json::object()}}},
        {{"routes", {{{"dst", "10.0.0.0/8"}, {"gw", "x"}}}}},
        {{"routes", {{{"dst", "10.0.0.0/8"}, {"mtu", -1}}}}},
        {{"routes", {{{"dst", "10.0.0.0/8"}, {"scope", 256}}}}},
    };
    for (const auto& answer : wrong) {
        CAPTURE(answer.dump());
        CHECK_THROWS_AS((void)read_allocation(answer), std::invalid_argument);
    }
}

TEST_CASE("each family has one default route, by its first gateway") {
    const auto routes = default_routes({{prefix("fd00::5/64"), ip("fd00::1")},
                                        {prefix("10.2.0.5/24"), std::nullopt},
                                        {prefix("10.1.0.5/24"), ip("10.1.0.1")},
                                        {prefix("10.3.0.5/24"), ip("10.3.0.1")}});
    REQUIRE(routes.size() == 2);
    CHECK(routes[0].to == prefix("0.0.0.0/0"));
    CHECK(routes[0].via == ip("10.1.0.1"));
    CHECK(routes[1].to == prefix("::/0"));
    CHECK(routes[1].via == ip("fd00::1"));
}
