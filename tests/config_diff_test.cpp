// The changes between two configurations, applied in order to a model that refuses what no daemon could do:
// to add what hangs on something that is not there, or to remove what something hangs on.
#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include <doctest/doctest.h>

#include "config/diff.h"

namespace weft::config {

namespace {

// Applies changes by name, as the daemon does.
class Model {
  public:
    explicit Model(const Config* config) : tuning_(config->tuning) {
        for (const Change& change : diff(nullptr, config)) apply(change);
    }

    void apply(const Change& change) {
        CAPTURE(to_string(change));
        std::visit([&](const auto& step) { apply_step(step); }, change);
    }

    [[nodiscard]] bool is(const Config& config) const {
        return tuning_ == config.tuning && same(bridges_, config.bridges) && same(ports_, config.ports) &&
               same(peers_, config.peers) &&
               std::ranges::all_of(config.routes,
                                   [&](const Route& route) {
                                       const auto found = routes_.find(route.to);
                                       return found != routes_.end() && *found->second == route;
                                   }) &&
               routes_.size() == config.routes.size();
    }

  private:
    template <class Object>
    using ByName = std::map<std::string, const Object*>;

    template <class Object>
    static bool same(const ByName<Object>& have, const std::vector<Object>& want) {
        return have.size() == want.size() && std::ranges::all_of(want, [&](const Object& object) {
                   const auto found = have.find(object.name);
                   return found != have.end() && *found->second == object;
               });
    }

    template <class Object>
    static void add(ByName<Object>& objects, const Object& object) {
        REQUIRE(objects.emplace(object.name, &object).second);
    }

    template <class Object>
    static void remove(ByName<Object>& objects, const Object& object) {
        const auto found = objects.find(object.name);
        REQUIRE(found != objects.end());
        REQUIRE(*found->second == object);
        objects.erase(found);
    }

    // Whether `via` is on the network of a gateway or tun port.
    [[nodiscard]] bool is_connected(const IpAddress& via) const {
        const auto contains = [&](const Prefix& prefix) { return prefix.contains(via); };
        return std::ranges::any_of(bridges_, [&](const auto& bridge) {
            return std::ranges::any_of(bridge.second->gateway, contains);
        });
    }

    [[nodiscard]] bool stands(const Route& route) const {
        return (!route.peer || peers_.contains(*route.peer)) &&
               (!route.port || ports_.contains(*route.port)) && (!route.via || is_connected(*route.via));
    }

    void check_routes() const {
        for (const auto& [to, route] : routes_) REQUIRE(stands(*route));
    }

    void apply_step(const AddBridge& step) { add(bridges_, *step.bridge); }

    void apply_step(const AddPeer& step) {
        for (const std::string& bridge : step.peer->bridges) REQUIRE(bridges_.contains(bridge));
        add(peers_, *step.peer);
    }

    void apply_step(const AddPort& step) {
        if (step.port->bridge) REQUIRE(bridges_.contains(*step.port->bridge));
        add(ports_, *step.port);
    }

    void apply_step(const AddRoute& step) {
        REQUIRE(stands(*step.route));
        REQUIRE(routes_.emplace(step.route->to, step.route).second);
    }

    void apply_step(const RemoveRoute& step) {
        const auto found = routes_.find(step.route->to);
        REQUIRE(found != routes_.end());
        REQUIRE(*found->second == *step.route);
        routes_.erase(found);
    }

    void apply_step(const RemovePort& step) {
        remove(ports_, *step.port);
        check_routes();
    }

    void apply_step(const RemovePeer& step) {
        remove(peers_, *step.peer);
        check_routes();
    }

    void apply_step(const RemoveBridge& step) {
        remove(bridges_, *step.bridge);
        for (const auto& [name, port] : ports_) REQUIRE(port->bridge != step.bridge->name);
        check_routes();
    }

    template <class Object>
    static void change(ByName<Object>& objects, const Object& from, const Object& to) {
        const auto found = objects.find(from.name);
        REQUIRE(found != objects.end());
        REQUIRE(*found->second == from);
        REQUIRE(from.name == to.name);
        found->second = &to;
    }

    void apply_step(const ChangeBridge& step) {
        change(bridges_, *step.from, *step.to);
        check_routes();
    }

    void apply_step(const ChangePeer& step) {
        for (const std::string& bridge : step.to->bridges) REQUIRE(bridges_.contains(bridge));
        change(peers_, *step.from, *step.to);
    }

    void apply_step(const ChangePort& step) {
        REQUIRE(step.from->bridge == step.to->bridge);
        change(ports_, *step.from, *step.to);
    }

    void apply_step(const ChangeDenied& step) { REQUIRE(step.from->deny != step.to->deny); }

    void apply_step(const ReplaceNode& step) { REQUIRE(*step.from != *step.to); }

    void apply_step(const ReplaceUnderlay& step) { REQUIRE(*step.from != *step.to); }

    void apply_step(const ReplaceFastPath& step) { REQUIRE(*step.from != *step.to); }

    void apply_step(const ReplaceTuning& step) {
        REQUIRE(*step.from != *step.to);
        REQUIRE(*step.from == tuning_);
        tuning_ = *step.to;
    }

    Tuning tuning_;
    ByName<Bridge> bridges_;
    ByName<Port> ports_;
    ByName<Peer> peers_;
    std::map<Prefix, const Route*> routes_;
};

// Small valid configurations over few names and values, so that two of them have much in common.
class Generator {
  public:
    explicit Generator(std::uint32_t seed) : random_(seed) {}

    Config operator()() {
        Config config;
        config.node.name = flip() ? "n" : "m";
        config.underlay.esp.port = flip() ? 4500 : 4501;
        config.tuning.tun_gro = flip();
        config.tuning.busy_poll = std::chrono::microseconds{below(2)};
        for (std::uint8_t i = 0; i < 3; ++i) {
            if (often()) config.bridges.push_back(bridge(i));
        }
        for (std::uint8_t i = 0; i < 3; ++i) {
            if (often()) config.peers.push_back(peer(i, config.bridges));
        }
        for (int i = 0; i < 4; ++i) {
            if (often()) config.ports.push_back(port(i, config.bridges));
        }
        for (std::uint8_t i = 0; i < 4; ++i) add_route(i, config);
        std::ranges::shuffle(config.ports, random_);
        return config;
    }

  private:
    unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

    bool flip() { return below(2) == 0; }

    bool often() { return below(4) != 0; }

    Bridge bridge(std::uint8_t i) {
        Bridge bridge;
        bridge.name = "br" + std::to_string(i);
        bridge.vni = Vni{i + 1U + 10 * below(2)};
        bridge.gateway = {Prefix{IpAddress::v4({10, i, 0, 1}), 24}};
        return bridge;
    }

    Peer peer(std::uint8_t i, const std::vector<Bridge>& bridges) {
        Peer peer;
        peer.name = "peer" + std::to_string(i);
        peer.public_key.bytes[0] = i;
        if (flip()) {
            peer.preshared_key.emplace();
            peer.preshared_key->writable()[31] = static_cast<std::uint8_t>(below(2));
        }
        if (!bridges.empty() && flip())
            peer.bridges = {bridges[below(static_cast<unsigned>(bridges.size()))].name};
        return peer;
    }

    Port port(int i, const std::vector<Bridge>& bridges) {
        Port port;
        port.name = "p" + std::to_string(i);
        port.device = port.name;
        if (bridges.empty() || flip()) {
            port.type = Port::Type::tun;
            return port;
        }
        port.bridge = bridges[below(static_cast<unsigned>(bridges.size()))].name;
        if (flip()) port.vlan = VlanId{10};
        port.spoof_check = flip();
        port.isolated = flip();
        if (flip()) port.impair.emplace().seed = below(2);
        return port;
    }

    void add_route(std::uint8_t i, Config& config) {
        Route route;
        route.to = {IpAddress::v4({172, 16, i, 0}), 24};
        const unsigned way = below(3);
        if (way == 0 && !config.peers.empty()) {
            route.peer = config.peers[below(static_cast<unsigned>(config.peers.size()))].name;
        } else if (way == 1 && !config.bridges.empty()) {
            route.via = config.bridges[0].gateway[0].address;
        } else {
            const auto tun = std::ranges::find(config.ports, Port::Type::tun, &Port::type);
            if (tun == config.ports.end()) return;
            route.port = tun->name;
        }
        config.routes.push_back(route);
    }

    std::mt19937 random_;
};

std::vector<std::string> in_words(const std::vector<Change>& changes) {
    std::vector<std::string> words;
    words.reserve(changes.size());
    for (const Change& change : changes) words.push_back(to_string(change));
    return words;
}

Config example() {
    Config config;
    config.node.name = "site-a";
    Bridge lan;
    lan.name = "lan";
    lan.vni = Vni{100};
    lan.gateway = {*Prefix::parse("10.10.0.1/24")};
    config.bridges = {lan};
    Port tap;
    tap.name = "a1";
    tap.device = "a1";
    tap.netns = "host-a";
    tap.bridge = "lan";
    tap.vlan = VlanId{10};
    Port tun;
    tun.name = "weft0";
    tun.device = "tun0";
    tun.type = Port::Type::tun;
    tun.address = {*Prefix::parse("10.20.1.1/24")};
    config.ports = {tap, tun};
    Peer peer;
    peer.name = "site-b";
    peer.endpoint_host = "2001:db8::2";
    peer.endpoint_port = 4500;
    peer.bridges = {"lan"};
    peer.prefixes = {*Prefix::parse("10.20.2.0/24"), *Prefix::parse("fd00::/64")};
    config.peers.push_back(std::move(peer));
    const auto route = [&](std::string_view to) -> Route& {
        config.routes.push_back({*Prefix::parse(to), {}, {}, {}});
        return config.routes.back();
    };
    route("0.0.0.0/0").via = IpAddress::parse("10.10.0.254");
    route("10.98.0.0/16").port = "weft0";
    route("10.99.0.0/16").peer = "site-b";
    return config;
}

}  // namespace

TEST_CASE("a start adds everything from the inside out") {
    const Config config = example();
    CHECK(in_words(diff(nullptr, &config)) ==
          std::vector<std::string>{
              "add bridge lan (VNI 100, gateway 10.10.0.1/24)",
              "add peer site-b (esp, at [2001:db8::2]:4500, bridges lan, prefixes 10.20.2.0/24 fd00::/64)",
              "add port a1 (tap in host-a, bridge lan, VLAN 10)",
              "add port weft0 (tun tun0, address 10.20.1.1/24)", "add route 0.0.0.0/0 via 10.10.0.254",
              "add route 10.98.0.0/16 to port weft0", "add route 10.99.0.0/16 to peer site-b"});
}

TEST_CASE("a stop removes everything in the opposite order of its kind") {
    const Config config = example();
    const auto words = in_words(diff(&config, nullptr));
    REQUIRE(words.size() == 7);
    CHECK(words.front() == "remove route 10.99.0.0/16 to peer site-b");
    CHECK(words[3] == "remove port weft0 (tun tun0, address 10.20.1.1/24)");
    CHECK(words.back() == "remove bridge lan (VNI 100, gateway 10.10.0.1/24)");
}

TEST_CASE("a port that is guarded or isolated from now on comes anew, and says so") {
    const Config before = example();
    Config after = example();
    after.ports[0].spoof_check = true;
    after.ports[0].isolated = true;
    CHECK(in_words(diff(&before, &after)) ==
          std::vector<std::string>{"remove port a1 (tap in host-a, bridge lan, VLAN 10)",
                                   "add port a1 (tap in host-a, bridge lan, VLAN 10, guarded, isolated)"});
}

TEST_CASE("a port's impairment comes, changes and goes in place, and what is equal by value stays") {
    const Config before = example();
    Config after = example();
    after.ports[0].impair.emplace().in.delay.table = std::make_shared<const DelayTable>();
    CHECK(in_words(diff(&before, &after)) ==
          std::vector<std::string>{"change port a1 (tap in host-a, bridge lan, VLAN 10, impaired)"});
    CHECK(in_words(diff(&after, &before)) ==
          std::vector<std::string>{"change port a1 (tap in host-a, bridge lan, VLAN 10)"});
    Config same = example();
    same.ports[0].impair.emplace().in.delay.table = std::make_shared<const DelayTable>();
    CHECK(diff(&after, &same).empty());
    same.ports[0].impair->out.loss = EveryNthLoss{2};
    CHECK(diff(&after, &same).size() == 1);
}

TEST_CASE("a bridge with another size takes its ports and next hops with it, and its peers join anew") {
    const Config before = example();
    Config after = example();
    after.bridges[0].max_stations = 16;
    const auto words = in_words(diff(&before, &after));
    CHECK(words.size() == 7);
    CHECK(words[4].starts_with("change peer site-b"));
    CHECK(std::ranges::none_of(
        words, [](const std::string& text) { return text.find("weft0") != std::string::npos; }));
}

TEST_CASE("a VNI, VLANs, prefixes and denied sources change in place") {
    const Config before = example();
    Config after = example();
    after.bridges[0].vni = Vni{101};
    after.ports[0].vlan = VlanId{20};
    after.peers[0].prefixes.pop_back();
    after.underlay.deny = {*Prefix::parse("203.0.113.0/24")};
    CHECK(in_words(diff(&before, &after)) ==
          std::vector<std::string>{
              "deny 1 sources instead of 0", "change bridge lan (VNI 101, gateway 10.10.0.1/24)",
              "change peer site-b (esp, at [2001:db8::2]:4500, bridges lan, prefixes 10.20.2.0/24)",
              "change port a1 (tap in host-a, bridge lan, VLAN 20)"});
}

TEST_CASE("another gateway takes the routes to next hops on its network with it, and no port") {
    const Config before = example();
    Config after = example();
    after.bridges[0].gateway = {*Prefix::parse("10.10.0.2/24")};
    CHECK(in_words(diff(&before, &after)) ==
          std::vector<std::string>{"remove route 0.0.0.0/0 via 10.10.0.254",
                                   "change bridge lan (VNI 100, gateway 10.10.0.2/24)",
                                   "add route 0.0.0.0/0 via 10.10.0.254"});
}

TEST_CASE("every change can be taken back, but for what takes a restart") {
    for (std::uint32_t seed = 0; seed < 500; ++seed) {
        CAPTURE(seed);
        Generator generate(seed);
        const Config before = generate();
        Config after = generate();
        after.node.name = before.node.name;
        after.underlay = before.underlay;
        Model model(&before);
        std::vector<Change> done = diff(&before, &after);
        for (const Change& change : done) model.apply(change);
        REQUIRE(model.is(after));
        for (const Change& change : inverse(done)) model.apply(change);
        CHECK(model.is(before));
    }
}

TEST_CASE("a changed port takes the routes through it with it") {
    const Config before = example();
    Config after = example();
    after.ports[1].mtu = 1400;
    CHECK(in_words(diff(&before, &after)) ==
          std::vector<std::string>{
              "remove route 10.98.0.0/16 to port weft0", "remove port weft0 (tun tun0, address 10.20.1.1/24)",
              "add port weft0 (tun tun0, address 10.20.1.1/24)", "add route 10.98.0.0/16 to port weft0"});
}

TEST_CASE("a changed secret changes its owner") {
    const Config before = example();
    Config after = example();
    after.peers[0].preshared_key.emplace();
    after.node.private_key.emplace();
    const auto words = in_words(diff(&before, &after));
    CHECK(std::ranges::find(words, "replace node site-a") != words.end());
    CHECK(words.size() == 5);

    Config other = example();
    other.peers[0].preshared_key.emplace();
    other.peers[0].preshared_key->writable()[31] = 1;
    other.node.private_key.emplace();
    CHECK(diff(&after, &other).size() == 4);
}

TEST_CASE("offloads and polling change alone, and the node is not replaced") {
    const Config before = example();
    Config after = example();
    after.tuning.udp_gro = false;
    after.tuning.busy_poll = std::chrono::microseconds{50};
    CHECK(in_words(diff(&before, &after)) ==
          std::vector<std::string>{
              "replace tuning (tun_gso on, tun_gro on, udp_gso on, udp_gro off, busy_poll 50us)"});
}

TEST_CASE("the changes between any two configurations lead from one to the other") {
    constexpr std::uint32_t pairs = 3000;
    for (std::uint32_t seed = 0; seed < pairs; ++seed) {
        CAPTURE(seed);
        Generator generate{seed};
        const Config from = generate();
        const Config to = generate();
        Model model{&from};
        for (const Change& change : diff(&from, &to)) model.apply(change);
        REQUIRE(model.is(to));

        for (const Change& change : diff(&to, nullptr)) model.apply(change);
        Config nothing;
        nothing.tuning = to.tuning;
        REQUIRE(model.is(nothing));
    }
}

TEST_CASE("equal configurations differ in nothing") {
    for (std::uint32_t seed = 0; seed < 300; ++seed) {
        const Config a = Generator{seed}();
        const Config b = Generator{seed}();
        CHECK(diff(&a, &b).empty());
    }
}

}  // namespace weft::config
