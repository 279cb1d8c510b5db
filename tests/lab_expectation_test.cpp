#include <doctest/doctest.h>

#include "lab/expectation.h"

using namespace weft::lab;

namespace {

Step step(Step::Expectation expect) {
    Step one;
    one.expect = std::move(expect);
    return one;
}

ProgramEnd end(int status, std::string output) {
    return {.status = status, .timed_out = false, .output = std::move(output)};
}

}  // namespace

TEST_CASE("a step without an expectation expects exit status 0") {
    CHECK(!unmet(step({}), end(0, "whatever")));
    CHECK(unmet(step({}), end(2, "")) == "its exit status is 2, and is to be 0");
}

TEST_CASE("a step can expect a command to fail") {
    CHECK(!unmet(step({.status = 1}), end(1, "")));
    CHECK(unmet(step({.status = 1}), end(0, "")) == "its exit status is 0, and is to be 1");
}

TEST_CASE("a command that took too long is told so, whatever it has printed") {
    Step one = step({.output = "ok"});
    one.within = std::chrono::milliseconds{1500};
    CHECK(unmet(one, {.status = 137, .timed_out = true, .output = "ok"}) == "it has not ended within 1.5 s");
}

TEST_CASE("an expected text may be anywhere in the output") {
    CHECK(!unmet(step({.output = " 0% packet loss"}), end(0, "3 received, 0% packet loss, time 9ms")));
    CHECK(unmet(step({.output = " 0% packet loss"}), end(0, "100% packet loss")) ==
          "its output is to have ' 0% packet loss' in it");
}

TEST_CASE("a number in JSON has bounds, which belong to what is met") {
    const auto expect = step({.pointer = "/end/rate", .at_least = 9.5, .at_most = 10});
    CHECK(!unmet(expect, end(0, R"({"end": {"rate": 9.5}})")));
    CHECK(!unmet(expect, end(0, R"({"end": {"rate": 10}})")));
    CHECK(unmet(expect, end(0, R"({"end": {"rate": 9.4}})")) ==
          "/end/rate is 9.4, and is to be at least 9.5");
    CHECK(unmet(expect, end(0, R"({"end": {"rate": 11}})")) == "/end/rate is 11, and is to be at most 10");
}

TEST_CASE("a number alone is JSON, at the empty pointer") {
    const auto expect = step({.pointer = "", .at_most = 45});
    CHECK(!unmet(expect, end(0, "44.9\n")));
    CHECK(unmet(expect, end(0, "45.1\n")));
}

TEST_CASE("output that is no JSON, or has no number there, is not as expected") {
    const auto expect = step({.pointer = "/a/0", .at_least = 1});
    CHECK(unmet(expect, end(0, "no route to host")) ==
          "the output is to be JSON with a number at /a/0, and is none");
    for (const char* output : {R"({})", R"({"a": []})", R"({"a": ["1"]})", R"({"a": {"x": 1}})", R"([])"})
        CHECK(unmet(expect, end(0, output)) == "the output has no number at /a/0");
    CHECK(unmet(step({.pointer = "/a/x", .at_least = 1}), end(0, R"({"a": [1]})")) ==
          "the output has no number at /a/x");
}
