// The network configuration and what is asked for one container.
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "cni/arguments.h"
#include "cni/config.h"
#include "cni/error.h"

using namespace weft;
using namespace weft::cni;
using nlohmann::json;

namespace {

// As it comes from stdin: a positive number is an unsigned one.
Request request(const json& configuration, std::string arguments = {}) {
    Request made;
    made.network = "net";
    made.container = "c1";
    made.ifname = "eth0";
    made.configuration = json::parse(configuration.dump());
    made.arguments = std::move(arguments);
    return made;
}

Error refusal(const json& configuration) {
    try {
        read_config(request(configuration));
    } catch (const Error& error) {
        return error;
    }
    return {0, "accepted", ""};
}

}  // namespace

TEST_CASE("a configuration's every key arrives, and what is not said has its default") {
    const auto all = read_config(
        request({{"bridge", "pods"},
                 {"control", "/run/weft/a.sock"},
                 {"dataDir", "/x"},
                 {"mtu", 1400},
                 {"vlan", 10},
                 {"isolated", true},
                 {"spoofCheck", false},
                 {"dns", {{"domain", "example"}}},
                 {"ipam", {{"type", "weft"}, {"pool", "other"}, {"routes", {{{"dst", "10.0.0.0/8"}}}}}}}));
    CHECK(all.bridge == "pods");
    CHECK(all.control == "/run/weft/a.sock");
    CHECK(all.data_folder == "/x");
    CHECK(all.mtu == std::uint16_t{1400});
    CHECK(all.vlan == std::uint16_t{10});
    CHECK(all.isolated == true);
    CHECK_FALSE(all.spoof_check);
    CHECK(all.dns == json{{"domain", "example"}});
    CHECK(all.ipam.plugin.empty());
    CHECK(all.ipam.pool == "other");
    REQUIRE(all.ipam.routes.size() == 1);
    CHECK(all.ipam.routes.front().to == *Prefix::parse("10.0.0.0/8"));

    const auto least = read_config(request({{"bridge", "pods"}}));
    CHECK(least.control.empty());
    CHECK(least.data_folder == "/var/lib/cni/weft");
    CHECK_FALSE(least.mtu);
    CHECK(least.spoof_check);
    CHECK(least.ipam.pool == "pods");
    CHECK_FALSE(least.ipam.names_routes);
}

TEST_CASE("all mistakes of a configuration are told at once") {
    const auto error = refusal({{"mtu", 1}, {"vlan", "x"}, {"surprise", 1}, {"ipam", {{"type", "a/b"}}}});
    CHECK(error.is(Code::invalid_configuration));
    for (const char* part :
         {"bridge is missing", "mtu is 1:", R"(vlan is "x":)", R"(ipam.type is "a/b")", "surprise: 1"}) {
        CAPTURE(error.details());
        CHECK(error.details().find(part) != std::string::npos);
    }
}

TEST_CASE("an unknown key is refused with its value, unless it belongs to the runtime") {
    CHECK(refusal({{"bridge", "pods"}, {"isolate", true}}).is(Code::unsupported_field));
    CHECK(std::string{refusal({{"bridge", "pods"}, {"isolate", true}}).what()}.find("isolate: true") !=
          std::string::npos);
    CHECK(refusal({{"bridge", "pods"},
                   {"cni.dev/anything", 1},
                   {"args", 1},
                   {"capabilities", {}},
                   {"ipMasq", false}})
              .code() == 0);
    CHECK(
        refusal({{"bridge", "pods"}, {"ipam", {{"type", "host-local"}, {"subnet", "10.0.0.0/8"}}}}).code() ==
        0);
}

TEST_CASE("with dhcp sources are not checked, and who wants them to be is told") {
    const json dhcp = {{"type", "dhcp"}};
    CHECK_FALSE(read_config(request({{"bridge", "pods"}, {"ipam", dhcp}})).spoof_check);
    CHECK(
        refusal({{"bridge", "pods"}, {"ipam", dhcp}, {"spoofCheck", true}}).is(Code::invalid_configuration));
}

TEST_CASE("for a removal nothing is a mistake") {
    const auto config = read_config_for_removal(request({{"mtu", "x"},
                                                         {"surprise", 1},
                                                         {"bridge", 7},
                                                         {"control", "/c"},
                                                         {"ipam", {{"type", "host-local"}, {"routes", 7}}}}));
    CHECK(config.control == "/c");
    CHECK(config.ipam.plugin == "host-local");
    CHECK(read_config_for_removal(request({{"ipam", 7}})).ipam.plugin.empty());
}

TEST_CASE("the runtime's wish goes before the configuration's, and that before CNI_ARGS") {
    json configuration = {{"runtimeConfig", {{"ips", {"10.1.0.1/24"}}, {"mac", "02:00:00:00:00:01"}}},
                          {"args", {{"cni", {{"ips", {"10.1.0.2"}}, {"mac", "02:00:00:00:00:02"}}}}}};
    const std::string arguments = "IP=10.1.0.3;MAC=02:00:00:00:00:03";
    for (const auto& [number, strongest] : {std::pair{"1", "runtimeConfig"}, {"2", "args"}, {"3", "none"}}) {
        const auto wishes = read_wishes(request(configuration, arguments));
        REQUIRE(wishes.addresses.size() == 1);
        CHECK(wishes.addresses.front().to_string() == std::string{"10.1.0."} + number);
        CHECK(wishes.mac.value().to_string() == std::string{"02:00:00:00:00:0"} + number);
        configuration.erase(strongest);
    }
    CHECK_FALSE(read_wishes(request(json::object())).mac);
}

TEST_CASE("labels are the pod's names and those of args, and nobody can forge an attachment's own") {
    const json labels = {{{"key", "app"}, {"value", "web"}}, {{"key", "cni.network"}, {"value", "x"}}, 7};
    const auto wishes = read_wishes(
        request({{"args", {{"cni", {{"labels", labels}}}}}}, "IgnoreUnknown=true;K8S_POD_NAME=web-0;X=y"));
    CHECK(wishes.labels == Labels{{"K8S_POD_NAME", "web-0"},
                                  {"app", "web"},
                                  {"cni.container", "c1"},
                                  {"cni.ifname", "eth0"},
                                  {"cni.network", "net"}});
}
