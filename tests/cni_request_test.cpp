// What a runtime asks, from the environment and stdin; what is refused and how is tests/cni/refusals.py's.
#include <map>
#include <string>

#include <doctest/doctest.h>

#include "cni/error.h"
#include "cni/port_name.h"
#include "cni/request.h"

using namespace weft::cni;

namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

Environment environment(Variables variables) {
    return [variables = std::move(variables)](const char* name) {
        const auto found = variables.find(name);
        return found == variables.end() ? nullptr : found->second.c_str();
    };
}

Variables complete(const char* command) {
    return {{"CNI_COMMAND", command}, {"CNI_CONTAINERID", "c1"}, {"CNI_NETNS", "/run/netns/x"},
            {"CNI_IFNAME", "eth0"},   {"CNI_ARGS", "A=b"},       {"CNI_PATH", "/opt/cni/bin::/usr/lib/cni"}};
}

template <class Work>
unsigned code_of(Work&& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.code();
    }
    return 0;
}

}  // namespace

TEST_CASE("a request has all that the environment and the configuration say") {
    const auto variables = environment(complete("ADD"));
    CHECK(read_verb(variables) == Verb::add);
    const auto request =
        read_request(Verb::add, variables, R"({"cniVersion": "0.4.0", "name": "net", "x": 1})");
    CHECK(request.container == "c1");
    CHECK(request.netns == "/run/netns/x");
    CHECK(request.ifname == "eth0");
    CHECK(request.arguments == "A=b");
    CHECK(request.path == std::vector<std::string>{"/opt/cni/bin", "/usr/lib/cni"});
    CHECK(request.version == Version::v0_4_0);
    CHECK(request.network == "net");
    CHECK(request.configuration["x"] == 1);
}

TEST_CASE("all variables that are missing are named at once") {
    auto variables = complete("CHECK");
    variables.erase("CNI_IFNAME");
    variables.erase("CNI_NETNS");
    try {
        read_request(Verb::check, environment(variables), R"({"cniVersion": "1.0.0", "name": "net"})");
        FAIL("it was accepted");
    } catch (const Error& error) {
        CHECK(error.is(Code::invalid_environment));
        CHECK(error.what() == std::string{"CHECK needs CNI_NETNS, CNI_IFNAME, which are not set"});
    }
}

TEST_CASE("every truncation of a configuration is refused as one that is not JSON") {
    const std::string whole =
        R"({"cniVersion": "1.1.0", "name": "net", "ipam": {"routes": [{"dst": "10.0.0.0/8"}]}})";
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CAPTURE(size);
        CHECK(code_of([&] {
                  read_request(Verb::add, environment(complete("ADD")), whole.substr(0, size));
              }) == 6);
    }
}

TEST_CASE("an identifier and an interface's name are what the specification says") {
    for (const char* good : {"a", "0", "a_b.c-d", "3f9a"}) CHECK(is_identifier(good));
    for (const char* bad : {"", "_a", ".a", "-a", "a/b", "a b", "a\n", "\xC3\xA4"})
        CHECK_FALSE(is_identifier(bad));
    for (const char* good : {"eth0", "a23456789012345", "a@b"}) CHECK(is_interface_name(good));
    for (const char* bad : {"", ".", "..", "a234567890123456", "a/b", "a:b", "a b", "a\tb"})
        CHECK_FALSE(is_interface_name(bad));
}

TEST_CASE("a port's name is the same for ever, fits an interface, and tells attachments apart") {
    CHECK(port_name("pods", "3f9a", "eth0") == "cni-3yjexdq7dxk");
    CHECK(port_name("pods", "3f9a", "eth0").size() == 15);
    std::map<std::string, int> names;
    for (int container = 0; container < 2000; ++container) {
        for (const char* ifname : {"eth0", "eth1"}) {
            for (const char* network : {"pods", "other"})
                ++names[port_name(network, std::to_string(container), ifname)];
        }
    }
    CHECK(names.size() == 8000);
    CHECK(port_name("a", "bc", "d") != port_name("ab", "c", "d"));
}
