#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>

#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "lab/state_folder.h"

using namespace weft::lab;

namespace {

// Of this process alone, in the folder of this user's labs.
std::string name() {
    return "test-" + std::to_string(::getpid());
}

void put(const std::string& path) {
    std::ofstream{path} << "x";
}

}  // namespace

TEST_CASE("a lab's name is a word of letters, digits and what is harmless in a path") {
    for (const char* good : {"a", "office", "Lab-1", "x.y_z", "0", "a1234567890123456789012345678901"})
        CHECK(is_lab_name(good));
    for (const char* bad :
         {"", ".", "..", "-a", ".hidden", "a/b", "a b", "ä", "a1234567890123456789012345678901x"})
        CHECK(!is_lab_name(bad));
    CHECK_THROWS(state_folder("../run"));
}

TEST_CASE("a folder that is claimed cannot be claimed again, until it is let go") {
    {
        auto claim = FolderClaim::take(name());
        CHECK(is_running(name()));
        CHECK(!FolderClaim::try_existing(name()));
        CHECK_THROWS(FolderClaim::take(name()));
        put(claim.path() + "/lab.log");
    }
    CHECK(!is_running(name()));
    CHECK(std::filesystem::exists(state_folder(name()) + "/lab.log"));
    auto again = FolderClaim::take(name());
    CHECK(!std::filesystem::exists(again.path() + "/lab.log"));
    again.remove_folder();
    CHECK(!std::filesystem::exists(again.path()));
}

TEST_CASE("a forked process holds the claim after its parent, and its death lets go") {
    std::optional<FolderClaim> claim = FolderClaim::take(name());
    const pid_t child = ::fork();
    if (child == 0) {
        ::pause();
        ::_exit(0);
    }
    claim.reset();
    CHECK(is_running(name()));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    CHECK(!is_running(name()));
    auto left = FolderClaim::try_existing(name());
    REQUIRE(left);
    left->remove_folder();
}
