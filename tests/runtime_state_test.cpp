#include "cli/runtime_state.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/stat.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "cli/rpc.h"
#include "tests/support/temporary_folder.h"

using namespace weft;
using nlohmann::json;
using test::TemporaryFolder;

namespace {

std::vector<Prefix> prefixes(const std::vector<std::string>& texts) {
    std::vector<Prefix> list;
    for (const auto& text : texts) list.push_back(Prefix::parse(text).value());
    return list;
}

json full_port() {
    return json::parse(
        R"({"name": "c-3f9a-eth0", "type": "veth", "netns": "/run/netns/cni-1", "device": "eth0",
        "bridge": "pods", "address": ["10.1.0.5/24", "fd00::5/64"], "mac": "02:00:00:00:00:05", "mtu": 1400,
        "vlan": 10, "isolated": true, "spoof_check": false, "labels": {"app": "web"}})");
}

json small_port() {
    return json::parse(R"({"name": "c2", "type": "veth", "netns": "c2", "bridge": "pods"})");
}

RuntimeState full_state() {
    auto port = full_port();
    port["labels"] = {{"app", "web \"1\"\n"}};
    return {.ports = {port_from_json(port), port_from_json(small_port())},
            .bridges = {bridge_from_json({{"name", "pods"},
                                          {"vni", 100},
                                          {"gateway", {"10.1.0.1/24", "fd00::1/64"}},
                                          {"masquerade", true}}),
                        bridge_from_json({{"name", "lan"}})},
            .leases = {{"z/eth0", "pods", prefixes({"10.1.0.5/24", "fd00::5/64"})},
                       {"a/eth0", "pods", prefixes({"10.1.0.6/24"})}}};
}

template <class Function>
std::string refusal(Function&& function) {
    try {
        function();
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "";
}

std::string parse_refusal(const std::string& text) {
    return refusal([&] { RuntimeState::parse(text, "/state/n.json"); });
}

std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void write(const std::string& path, const std::string& bytes) {
    std::ofstream{path, std::ios::binary} << bytes;
}

struct Case {
    std::string change;  // JSON merge patch (RFC 7396)
    std::string said;
};

constexpr auto forget = ": correct it, or move it away, and what was added at run time is gone";

}  // namespace

TEST_CASE("a port has what its params say, and defaults for the rest") {
    const auto made = port_from_json(full_port());
    CHECK(made.port.name == "c-3f9a-eth0");
    CHECK(made.port.type == config::Port::Type::veth);
    CHECK(made.port.netns == "/run/netns/cni-1");
    CHECK(made.port.device == "eth0");
    CHECK(made.port.bridge == "pods");
    CHECK(made.port.address == prefixes({"10.1.0.5/24", "fd00::5/64"}));
    CHECK(made.port.mac == MacAddress{{2, 0, 0, 0, 0, 5}});
    CHECK(made.port.mtu == 1400);
    CHECK(made.port.vlan == VlanId{10});
    CHECK(made.port.isolated);
    CHECK_FALSE(made.port.spoof_check);
    CHECK(made.labels.at("app") == "web");

    const auto small = port_from_json(small_port());
    config::Port expected;
    expected.name = "c2";
    expected.type = config::Port::Type::veth;
    expected.netns = "c2";
    expected.device = "c2";
    expected.bridge = "pods";
    expected.spoof_check = true;
    CHECK(small == RuntimePort{.port = expected, .labels = {}});
}

TEST_CASE("a bridge has what its params say") {
    const auto made = bridge_from_json(
        {{"name", "pods"}, {"vni", 16777215}, {"gateway", {"10.1.0.1/24"}}, {"masquerade", true}});
    CHECK(made.bridge.name == "pods");
    CHECK(made.bridge.vni == Vni{16777215});
    CHECK(made.bridge.gateway == prefixes({"10.1.0.1/24"}));
    CHECK(made.bridge.masquerade);
    CHECK(bridge_from_json({{"name", "lan"}}).bridge.aging == config::Bridge{}.aging);
}

TEST_CASE("what is wrong with a port is an error that names the param, what it is, and the cure") {
    const std::vector<Case> cases{
        {R"({"name": null})", R"(params: there is no 'name': add "name": "c1-eth0")"},
        {R"({"type": null})", R"(params: there is no 'type': add "type": "veth")"},
        {R"({"netns": null})", R"(params: there is no 'netns': add "netns": "/run/netns/c1")"},
        {R"({"bridge": null})", R"(params: there is no 'bridge': add "bridge": "lan")"},
        {R"({"adress": []})", "params: unknown key 'adress': did you mean 'address'?"},
        {R"({"patch": "tc"})",
         "params: unknown key 'patch': remove it; there are name, type, netns, device, bridge, address, mac, "
         "mtu, vlan, isolated, spoof_check, labels"},
        {R"({"name": "a/b"})",
         "'name': 'a/b' is not a name: use 1 to 32 letters, digits, dots, underscores and hyphens"},
        {R"({"name": 7})", R"('name' is an integer, not a string: write it as in "name": "c1-eth0")"},
        {R"({"name": "a-very-long-name", "device": null})",
         "'name': port 'a-very-long-name' cannot lend its name to its device: use 15 characters at most, or "
         "add \"device\": \"eth0\""},
        {R"({"type": "tap"})",
         "'type': 'tap' is no type of port that can be added at run time: write \"veth\", or add the port to "
         "the configuration file"},
        {R"({"netns": "a/b"})",
         "'netns': 'a/b' is not a network namespace: write a name, as ip netns lists it, or an absolute "
         "path"},
        {R"({"netns": ""})",
         "'netns': '' is not a network namespace: write a name, as ip netns lists it, or an absolute path"},
        {R"({"netns": "/run/netns/c1\u0000c2"})",
         R"('netns': '/run/netns/c1\x00c2' is not a network namespace: write a name, as ip netns lists it, or an absolute path)"},
        {R"({"a\nb": 1})",
         R"(params: unknown key 'a\x0ab': remove it; there are name, type, netns, device, bridge, address, mac, mtu, vlan, isolated, spoof_check, labels)"},
        {R"({"device": "eth 0"})",
         "'device': 'eth 0' cannot be the name of a network device: use 1 to 15 characters without '/', ':', "
         "'%' and white space"},
        {R"({"bridge": ""})",
         "'bridge': '' is not a name: use 1 to 32 letters, digits, dots, underscores and hyphens"},
        {R"({"address": "10.1.0.5/24"})",
         R"('address' is a string, not a list: write it as in "address": ["10.10.0.11/24"])"},
        {R"({"address": ["10.1.0.5/24", 7]})",
         R"('address' is a list, not a list of strings: write it as in "address": ["10.10.0.11/24"])"},
        {R"({"address": ["fd00::5/64", "10.1.0.5"]})",
         "'address[1]': '10.1.0.5' has no prefix length: write \"10.1.0.5/24\", with the length of its "
         "network"},
        {R"({"address": ["10.1.0.255/24"]})",
         "'address[0]': '10.1.0.255/24' is the broadcast address of its network: write the address of a host "
         "in it, as in \"10.10.0.1/24\""},
        {R"({"address": ["10.1.0.5/24", "10.1.0.5/24"]})",
         "'address[1]': '10.1.0.5/24' stands twice: remove one"},
        {R"({"mac": "zz"})", "'mac': 'zz' is not a MAC address: write it as in \"02:00:00:00:00:01\""},
        {R"({"mac": "03:00:00:00:00:01"})",
         "'mac': '03:00:00:00:00:01' is a group address, not the address of a station: write a unicast "
         "address, "
         "as in \"02:00:00:00:00:01\""},
        {R"({"mtu": "1400"})", R"('mtu' is a string, not an integer: write it as in "mtu": 1400)"},
        {R"({"mtu": 1400.0})", R"('mtu' is a fraction, not an integer: write it as in "mtu": 1400)"},
        {R"({"mtu": 575})", "'mtu' is 575: use 576 to 65535"},
        {R"({"mtu": 18446744073709551615})", "'mtu' is 18446744073709551615: use 576 to 65535"},
        {R"({"mtu": -1})", "'mtu' is -1: use 576 to 65535"},
        {R"({"mtu": 1279})",
         "'mtu': an MTU of 1279 is too small for IPv6: use 1280 or more, or remove the IPv6 addresses"},
        {R"({"vlan": 0})", "'vlan': 0 is not a VLAN: use 1 to 4094"},
        {R"({"vlan": 4095})", "'vlan': 4095 is not a VLAN: use 1 to 4094"},
        {R"({"isolated": 1})",
         R"('isolated' is an integer, not true or false: write it as in "isolated": true)"},
        {R"({"spoof_check": "no"})",
         R"('spoof_check' is a string, not true or false: write it as in "spoof_check": true)"},
        {R"({"labels": ["a"]})",
         R"('labels' is a list, not an object of strings: write it as in "labels": {"app": "web"})"},
        {R"({"labels": {"a": 1}})",
         R"('labels' is an object, not an object of strings: write it as in "labels": {"app": "web"})"},
        {R"({"labels": {"": "x"}})",
         "'labels': '' is too long, or without a name: use names of 1 to 255 bytes, and labels of 1024 at "
         "most"},
    };
    auto valid = full_port();
    CHECK_NOTHROW(port_from_json(valid));
    for (const auto& [change, said] : cases) {
        CAPTURE(change);
        auto params = valid;
        params.merge_patch(json::parse(change));
        CHECK(refusal([&] { port_from_json(params); }) == said);
        CHECK_THROWS_AS(port_from_json(params), InvalidParams);
    }
    valid["mac"] = nullptr;
    CHECK(refusal([&] { port_from_json(valid); }) ==
          R"('mac' is null, not a string: write it as in "mac": "02:00:00:00:00:11")");
    valid["mac"] = "02:00:00:00:00:11";
    for (int i = 0; i < 65; ++i) valid["labels"][std::to_string(i)] = "";
    CHECK(refusal([&] { port_from_json(valid); }) == "'labels': 66 labels: a port has 64 at most");
    CHECK(refusal([] { port_from_json(nullptr); }) ==
          "params: null, not an object: write {\"name\": \"c1-eth0\"}");
    CHECK(refusal([] { port_from_json(json::array()); }).starts_with("params: a list, not an object"));
}

TEST_CASE("what is wrong with a bridge is told in the same way") {
    const std::vector<Case> cases{
        {R"({"name": null})", R"(params: there is no 'name': add "name": "pods")"},
        {R"({"name": "-/-"})",
         "'name': '-/-' is not a name: use 1 to 32 letters, digits, dots, underscores and hyphens"},
        {R"({"vni": 0})", "'vni' is 0: use 1 to 16777215"},
        {R"({"vni": 16777216})", "'vni' is 16777216: use 1 to 16777215"},
        {R"({"gateway": ["10.1.0.0/24"]})",
         "'gateway[0]': '10.1.0.0/24' is the first address of its network: write the address of a host in "
         "it, as "
         "in \"10.10.0.1/24\""},
        {R"({"gateway": null})",
         R"('masquerade': needs 'gateway': add "gateway": ["10.10.0.1/24"], or remove it)"},
        {R"({"masquerade": "yes"})",
         R"('masquerade' is a string, not true or false: write it as in "masquerade": true)"},
        {R"({"aging": "5m"})",
         "params: unknown key 'aging': remove it; there are name, vni, gateway, masquerade"},
    };
    const auto valid =
        json::parse(R"({"name": "pods", "vni": 100, "gateway": ["10.1.0.1/24"], "masquerade": true})");
    CHECK_NOTHROW(bridge_from_json(valid));
    for (const auto& [change, said] : cases) {
        CAPTURE(change);
        auto params = valid;
        params.merge_patch(json::parse(change));
        CHECK(refusal([&] { bridge_from_json(params); }) == said);
    }
}

TEST_CASE("a state is the same after it was written and read") {
    const auto state = full_state();
    CHECK(RuntimeState::parse(to_json(state).dump(), "f") == state);
    CHECK(RuntimeState::parse(to_json(RuntimeState{}).dump(), "f") == RuntimeState{});
    CHECK(to_json(state).at("leases")[0] ==
          json{{"owner", "z/eth0"}, {"pool", "pods"}, {"address", {"10.1.0.5/24", "fd00::5/64"}}});
}

TEST_CASE("every truncation of a state is refused, with the place and the cure") {
    const auto whole = to_json(full_state()).dump(1);
    REQUIRE_NOTHROW(RuntimeState::parse(whole, "f"));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto said = parse_refusal(whole.substr(0, size));
        CAPTURE(size);
        CHECK(said.starts_with("state file /state/n.json: is damaged: byte "));
        CHECK(said.ends_with(forget));
    }
}

TEST_CASE("a changed byte makes another state or an error, never anything else") {
    const auto whole = to_json(full_state()).dump();
    std::size_t refused = 0;
    for (std::size_t i = 0; i < whole.size(); ++i) {
        for (const char byte : {'\0', '"', '{', ']', '9', 'a', ',', '\x80', '\xFF'}) {
            auto changed = whole;
            changed[i] = byte;
            try {
                const auto state = RuntimeState::parse(changed, "f");
                CHECK(RuntimeState::parse(to_json(state).dump(), "f") == state);
            } catch (const std::runtime_error&) {
                ++refused;
            }
        }
    }
    CHECK(refused > whole.size() * 4);
}

TEST_CASE("what is wrong within a state is told with its place") {
    const std::vector<Case> cases{
        {R"({"version": "1"})", R"('version' is a string, not an integer: write it as in "version": 1)"},
        {R"({"version": 1.0})", R"('version' is a fraction, not an integer: write it as in "version": 1)"},
        {R"({"version": null})", R"(params: there is no 'version': add "version": 1)"},
        {R"({"leases": null})", R"(params: there is no 'leases': add "leases": [])"},
        {R"({"ports": {}})", R"('ports' is an object, not a list: write it as in "ports": [])"},
        {R"({"ports": [7]})", R"('ports[0]': an integer, not an object: write {"name": "c1-eth0"})"},
        {R"({"routes": []})",
         "params: unknown key 'routes': remove it; there are version, ports, bridges, leases"},
        {R"({"bridges": [{"name": "a"}, {"name": "b", "vni": 0}]})",
         "'bridges[1].vni' is 0: use 1 to 16777215"},
        {R"({"bridges": [{"name": "a"}, {"name": "a"}]})", "'bridges[1].name': a second 'a': remove one"},
        {R"({"leases": [{"owner": "a", "pool": "p", "address": ["10.0.0.1"]}]})",
         "'leases[0].address[0]': '10.0.0.1' has no prefix length: write \"10.0.0.1/24\", with the length of "
         "its "
         "network"},
        {R"({"leases": [{"owner": "a", "pool": "p"}]})",
         R"('leases[0]': there is no 'address': add "address": ["10.10.0.11/24"])"},
        {R"({"leases": [{"owner": "a", "pool": "p", "address": []}, {"owner": "a", "pool": "p", "address": []}]})",
         "'leases[1].owner': a second 'a': remove one"},
    };
    for (const auto& [change, said] : cases) {
        CAPTURE(change);
        auto document = to_json(RuntimeState{});
        document.merge_patch(json::parse(change));
        CHECK(parse_refusal(document.dump()) == "state file /state/n.json: " + said + forget);
    }
    auto document = to_json(full_state());
    document["ports"][1]["mac"] = "zz";
    CHECK(parse_refusal(document.dump())
              .starts_with("state file /state/n.json: 'ports[1].mac': 'zz' is not a MAC"));
    document["ports"][1] = document["ports"][0];
    CHECK(parse_refusal(document.dump()).find("'ports[1].name': a second 'c-3f9a-eth0'") !=
          std::string::npos);
    CHECK(parse_refusal(R"({"version": 1e999})") ==
          std::string{
              "state file /state/n.json: is damaged: it has a number that is larger than any number is"} +
              forget);
    CHECK(parse_refusal("[]").starts_with("state file /state/n.json: params: a list, not an object"));
}

TEST_CASE("another version is refused before anything in it is looked at") {
    for (const auto* text : {R"({"version": 2})", R"({"version": 2, "vlans": []})"}) {
        CHECK(parse_refusal(text) ==
              "state file /state/n.json: 'version' is 2, and this weftd knows 1 only: start the weftd that "
              "wrote "
              "it, or move it away, and what was added at run time is gone");
    }
    CHECK(parse_refusal(R"({"version": 0})").find("'version' is 0") != std::string::npos);
}

TEST_CASE("a state that was saved is loaded, and what is not there is empty") {
    const TemporaryFolder folder;
    const auto path = runtime_state_path(folder.path(), "site-a");
    CHECK(path == folder / "site-a.json");
    CHECK(RuntimeState::load(path) == RuntimeState{});
    CHECK_FALSE(test::exists(path));

    full_state().save(path);
    CHECK(RuntimeState::load(path) == full_state());
    CHECK(read(path).ends_with("}\n"));
    RuntimeState{}.save(path);
    CHECK(RuntimeState::load(path) == RuntimeState{});
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600);
    CHECK_FALSE(test::exists(path + ".new"));
}

TEST_CASE("a file that is refused is left as it is") {
    const TemporaryFolder folder;
    const auto path = folder / "n.json";
    write(path, "{\"version\": 9}");
    CHECK_THROWS_AS(RuntimeState::load(path), std::runtime_error);
    CHECK(read(path) == "{\"version\": 9}");
    write(path, "");
    CHECK(refusal([&] { RuntimeState::load(path); }) ==
          "state file " + path + ": is damaged: byte 1 of 0 is not JSON" + forget);
}

TEST_CASE("what a save that was cut short has left behind is written over, and never read") {
    const TemporaryFolder folder;
    const auto path = folder / "n.json";
    full_state().save(path);
    write(path + ".new", std::string(100'000, 'x'));
    CHECK(RuntimeState::load(path) == full_state());
    RuntimeState{}.save(path);
    CHECK(RuntimeState::load(path) == RuntimeState{});
}

TEST_CASE("a state that cannot be written is an error with its cure, and the old one stays") {
    const TemporaryFolder folder;
    const auto path = folder / "n.json";
    full_state().save(path);
    std::filesystem::create_directory(path + ".new");
    CHECK(refusal([&] { RuntimeState{}.save(path); }) ==
          "state file " + path +
              ".new: Is a directory: make the folder writable for weftd, or name another "
              "with [node] state_dir");
    CHECK(RuntimeState::load(path) == full_state());
    CHECK(refusal([&] {
              RuntimeState{}.save(folder / "no/such/n.json");
          }).find("No such file or directory: make the folder writable") != std::string::npos);
}

TEST_CASE("links are not followed out of the folder") {
    const TemporaryFolder folder;
    const auto path = folder / "n.json";
    std::filesystem::create_symlink(folder / "elsewhere", path + ".new");
    CHECK(refusal([&] { RuntimeState{}.save(path); }).find("Too many levels") != std::string::npos);
    CHECK_FALSE(test::exists(folder / "elsewhere"));
    std::filesystem::create_symlink(folder / "elsewhere", path);
    write(folder / "elsewhere", to_json(RuntimeState{}).dump());
    CHECK(refusal([&] { RuntimeState::load(path); }).find("Too many levels") != std::string::npos);
}
