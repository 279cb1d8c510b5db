// The main of the tests with real devices: in a sandbox, or not at all.
#include <cstdio>

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "tests/support/namespace_fixture.h"

namespace weft::test {

[[gnu::weak]] std::optional<std::string> further_obstacle() {
    return std::nullopt;
}

}  // namespace weft::test

int main(int argc, char** argv) {
    auto obstacle = weft::test::enter_sandbox();
    if (!obstacle) obstacle = weft::test::further_obstacle();
    if (obstacle) {
        std::printf("skipped: %s\n", obstacle->c_str());
        return weft::test::skipped_exit_code;
    }
    return doctest::Context(argc, argv).run();
}
