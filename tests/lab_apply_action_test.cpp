#include <chrono>
#include <stdexcept>

#include <doctest/doctest.h>

#include "lab/apply_action.h"

using namespace weft;
using namespace weft::lab;
using namespace std::chrono_literals;

namespace {

// Two hosts at a switch, and a cable between them.
Topology three_links() {
    Topology topology;
    topology.name = "test";
    topology.nodes = {{"a", Host{}}, {"b", Host{}}, {"s", Switch{}}};
    const auto link = [](const char* name, NodeIndex from, NodeIndex to) {
        Link one;
        one.name = name;
        one.ends[0].node = from;
        one.ends[1].node = to;
        one.ends[0].interface = std::string{name} + "0";
        one.ends[1].interface = std::string{name} + "1";
        return one;
    };
    topology.links = {link("left", 0, 2), link("right", 2, 1), link("cable", 0, 1)};
    return topology;
}

struct Fixture {
    Topology topology = three_links();
    PacketPool pool{16};
    Network network{topology, pool, Instant{},
                    [](EndId, std::vector<Packet>& frames, Instant) { frames.clear(); }};

    void act(const Action& action) { apply_action(action, topology, network, Instant{1s}); }

    void act(const std::vector<Action>& actions) {
        for (const Action& action : actions) act(action);
    }

    [[nodiscard]] const Wire& wire(LinkIndex link, Direction direction) const {
        return network.wire(link, direction);
    }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a setting for one direction leaves the other one as it is") {
    act(actions_of(topology, "left", Direction::back, {{"delay", "20ms"}}));
    CHECK(wire(0, Direction::back).impairment().delay.mean == Duration{20ms});
    CHECK(wire(0, Direction::there).impairment().delay.mean == Duration{0});
    CHECK(wire(1, Direction::back).impairment().delay.mean == Duration{0});
}

TEST_CASE_FIXTURE(Fixture, "one setting after another: what is not named stays") {
    act(actions_of(topology, "left", {}, {{"delay", "20ms"}}));
    act(actions_of(topology, "left", {}, {{"rate", "1mbit"}}));
    for (const Direction direction : {Direction::there, Direction::back}) {
        CHECK(wire(0, direction).impairment().delay.mean == Duration{20ms});
        CHECK(wire(0, direction).impairment().rate == 1'000'000);
    }
}

TEST_CASE_FIXTURE(Fixture, "a node's settings are those of all of its links") {
    act(actions_of(topology, "b", {}, {{"up", "false"}, {"delay", "1ms"}}));
    for (const Direction direction : {Direction::there, Direction::back}) {
        CHECK(wire(0, direction).is_up());
        CHECK(!wire(1, direction).is_up());
        CHECK(!wire(2, direction).is_up());
        CHECK(wire(2, direction).impairment().delay.mean == Duration{1ms});
    }
}

TEST_CASE_FIXTURE(Fixture, "a link that is down stays down when something else is set") {
    act(SwitchLink{.link = 0, .direction = Direction::there, .up = false});
    act(actions_of(topology, "left", {}, {{"delay", "20ms"}}));
    CHECK(!wire(0, Direction::there).is_up());
    CHECK(wire(0, Direction::back).is_up());
    act(SwitchNode{.node = 0, .up = true});
    CHECK(wire(0, Direction::there).is_up());
}

TEST_CASE_FIXTURE(Fixture, "what is wrong with one of several settings is told before any is done") {
    CHECK_THROWS_AS(actions_of(topology, "left", {}, {{"up", "false"}, {"delay", "soon"}}),
                    std::runtime_error);
    CHECK_THROWS_AS(actions_of(topology, "left", {}, {{"up", "perhaps"}}), std::runtime_error);
    CHECK_THROWS_AS(act(SetLink{.link = 0, .direction = {}, .settings = {{"delay", "2ms"}, {"dely", "2ms"}}}),
                    std::runtime_error);
    CHECK(wire(0, Direction::there).impairment().delay.mean == Duration{0});
}

TEST_CASE_FIXTURE(Fixture, "a target that there is not is told with those that there are") {
    CHECK_THROWS_WITH(actions_of(topology, "lft", {}, {{"up", "true"}}),
                      "the lab has no link and no node 'lft': there are left, right, cable, a, b, s");
    CHECK_THROWS_WITH(actions_of(topology, "a", Direction::there, {{"up", "true"}}),
                      "a is a node: a direction is a link's");
}
