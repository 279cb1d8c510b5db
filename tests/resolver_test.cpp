// Only what needs no name server: literals, and names that are too long to ask for.
#include "cli/resolver.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"

using namespace weft;
using namespace std::chrono_literals;
using test::ip;

namespace {

const std::string impossible(300, 'x');

// A resolver, and a loop that gives up after a while.
struct Fixture {
    Fixture() : limit(loop, [this] { loop.stop(); }) { limit.start(10s); }

    void lookup(std::uint32_t key, const std::string& host, std::size_t stop_after) {
        resolver.lookup(
            key, host,
            [this, host, stop_after](const IpAddress& address) {
                answers.push_back(host + " = " + address.to_string());
                if (answers.size() == stop_after) loop.stop();
            },
            [this, stop_after](const std::string& why) {
                CHECK_FALSE(why.empty());
                answers.emplace_back("failed");
                if (answers.size() == stop_after) loop.stop();
            });
    }

    Loop loop;
    Timer limit;
    Resolver resolver{loop};
    std::vector<std::string> answers;
};

}  // namespace

TEST_CASE("hosts are resolved on the loop, in the order in which they were asked for") {
    Fixture fixture;
    fixture.lookup(1, "192.0.2.1", 3);
    fixture.lookup(2, "2001:db8::1", 3);
    fixture.lookup(3, "192.0.2.3", 3);
    CHECK(fixture.answers.empty());
    fixture.loop.run();
    CHECK(fixture.answers == std::vector<std::string>{"192.0.2.1 = 192.0.2.1", "2001:db8::1 = 2001:db8::1",
                                                      "192.0.2.3 = 192.0.2.3"});
}

TEST_CASE("a host that cannot be resolved is reported, and holds up no other") {
    Fixture fixture;
    fixture.lookup(1, impossible, 2);
    fixture.lookup(2, "192.0.2.1", 2);
    fixture.loop.run();
    CHECK(fixture.answers == std::vector<std::string>{"failed", "192.0.2.1 = 192.0.2.1"});
}

TEST_CASE("what was forgotten is not answered, wherever its lookup was") {
    Fixture fixture;
    fixture.lookup(1, "192.0.2.1", 1);
    fixture.lookup(1, "192.0.2.2", 1);
    fixture.lookup(2, "192.0.2.3", 1);
    fixture.lookup(1, impossible, 1);
    fixture.resolver.forget(1);
    fixture.resolver.forget(77);
    fixture.loop.run();
    CHECK(fixture.answers == std::vector<std::string>{"192.0.2.3 = 192.0.2.3"});
}

TEST_CASE("a lookup may ask for another, or forget itself, when it is answered") {
    Fixture fixture;
    fixture.resolver.lookup(
        1, "192.0.2.1", [](const IpAddress&) { CHECK(false); }, [&](const std::string&) { CHECK(false); });
    fixture.resolver.forget(1);
    fixture.resolver.lookup(
        2, impossible, [](const IpAddress&) { CHECK(false); },
        [&](const std::string&) {
            fixture.resolver.forget(2);
            fixture.lookup(3, "192.0.2.9", 1);
        });
    fixture.loop.run();
    CHECK(fixture.answers == std::vector<std::string>{"192.0.2.9 = 192.0.2.9"});
}

TEST_CASE("a resolver may go while lookups are under way") {
    for (int i = 0; i < 20; ++i) {
        Fixture fixture;
        fixture.lookup(1, "192.0.2.1", 100);
        fixture.lookup(2, impossible, 100);
    }
    CHECK(true);
}
