#include "cli/resolver.h"

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"

using namespace weft;
using namespace std::chrono_literals;
using test::ip;

namespace {

// Instead of name servers.
Resolved table(const std::string& host) {
    if (host == "b.example") return {.addresses = {ip("192.0.2.1"), ip("2001:db8::1")}, .error = {}};
    if (host == "c.example") return {.addresses = {ip("192.0.2.3")}, .error = {}};
    return {.addresses = {}, .error = "no such name"};
}

// A resolver, and a loop that ends after some answers, or gives up after a while.
struct Fixture {
    explicit Fixture(std::size_t wanted, Resolver::LookUp look_up = table)
        : wanted_answers(wanted), limit(loop, [this] { loop.stop(); }), resolver(loop, std::move(look_up)) {
        limit.start(10s);
    }

    void lookup(std::uint32_t key, const std::string& host) {
        resolver.lookup(key, host, [this, host](const Resolved& resolved) {
            auto answer = host + " =";
            for (const IpAddress& address : resolved.addresses) answer += ' ' + address.to_string();
            take(answer + resolved.error);
        });
    }

    void take(std::string answer) {
        answers.push_back(std::move(answer));
        if (answers.size() == wanted_answers) loop.stop();
    }

    std::size_t wanted_answers;
    Loop loop;
    Timer limit;
    Resolver resolver;
    std::vector<std::string> answers;
};

using Answers = std::vector<std::string>;

}  // namespace

TEST_CASE("names are looked up in the order in which they were asked for, and answered on the loop") {
    Fixture fixture{3};
    fixture.lookup(1, "b.example");
    fixture.lookup(2, "nowhere.example");
    fixture.lookup(3, "c.example");
    CHECK(fixture.answers.empty());
    fixture.loop.run();
    CHECK(fixture.answers == Answers{"b.example = 192.0.2.1 2001:db8::1", "nowhere.example =no such name",
                                     "c.example = 192.0.2.3"});
}

TEST_CASE("what was forgotten is not answered, wherever its lookup was") {
    Fixture fixture{1};
    fixture.lookup(1, "b.example");
    fixture.lookup(1, "nowhere.example");
    fixture.lookup(2, "c.example");
    fixture.lookup(1, "b.example");
    fixture.resolver.forget(1);
    fixture.resolver.forget(77);
    fixture.loop.run();
    CHECK(fixture.answers == Answers{"c.example = 192.0.2.3"});
}

TEST_CASE("a lookup may ask for another, or forget itself, when it is answered") {
    Fixture fixture{1};
    fixture.resolver.lookup(2, "nowhere.example", [&](const Resolved& resolved) {
        CHECK(resolved.addresses.empty());
        fixture.resolver.forget(2);
        fixture.lookup(3, "c.example");
    });
    fixture.loop.run();
    CHECK(fixture.answers == Answers{"c.example = 192.0.2.3"});
}

TEST_CASE("a resolver goes at once, also while a name server is silent") {
    auto begun = std::make_shared<std::promise<void>>();
    auto release = std::make_shared<std::promise<void>>();
    {
        Fixture fixture{1, [begun, silent = release->get_future().share()](const std::string&) {
                            begun->set_value();
                            silent.wait();
                            return Resolved{};
                        }};
        fixture.lookup(1, "b.example");
        fixture.lookup(2, "c.example");
        begun->get_future().wait();
    }
    release->set_value();  // would never come if the resolver had waited for it
}

TEST_CASE("the system's lookup knows addresses by themselves, and says why it knows nothing") {
    CHECK(look_up("192.0.2.1").addresses == std::vector{ip("192.0.2.1")});
    CHECK(look_up("2001:db8::1").addresses == std::vector{ip("2001:db8::1")});
    const auto impossible = look_up(std::string(300, 'x'));
    CHECK(impossible.addresses.empty());
    CHECK_FALSE(impossible.error.empty());
}
