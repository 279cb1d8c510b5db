// A delegated plugin's process.
#include <doctest/doctest.h>

#include "cni/child.h"

using namespace weft::cni;
using namespace std::chrono_literals;

TEST_CASE("a child reads what it is given, in its environment, and its status and output come back") {
    const std::string input(300'000, 'x');
    const auto result = run_child("/bin/cat", {}, input, 10s);
    CHECK(result.status == 0);
    CHECK(result.output == input);
    CHECK(run_child("/usr/bin/env", {"A=b"}, "", 10s).output == "A=b\n");
    CHECK(run_child("/bin/false", {}, input, 10s).ending() == "ends with status 1");
    CHECK(run_child("/nowhere", {}, "", 10s).ending() == "ends with status 127");
}

TEST_CASE("a child that is out of time is killed") {
    const auto result = run_child("/bin/cat", {}, "", 0ms);
    CHECK(result.timed_out);
    CHECK(result.ending() == "is ended by signal 9");
}
