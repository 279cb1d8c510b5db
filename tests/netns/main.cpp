// The main of the tests with real devices: in a sandbox, or not at all.
#include <cstdio>

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "tests/support/namespace_fixture.h"

int main(int argc, char** argv) {
    if (const auto obstacle = weft::test::enter_sandbox()) {
        std::printf("skipped: %s\n", obstacle->c_str());
        return weft::test::skipped_exit_code;
    }
    return doctest::Context(argc, argv).run();
}
