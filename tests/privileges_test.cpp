#include "cli/privileges.h"

#include <csignal>
#include <stdexcept>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "cli/sandbox.h"

namespace weft {

namespace {

// How a child ends that does `work`: its exit status, or minus the signal.
template <class Work>
int outcome(Work work) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(work());
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace

TEST_CASE("a user is a name, or a number that need not have one") {
    CHECK(find_user("root").uid == 0);
    CHECK(find_user("0").gid == 0);
    CHECK(find_user("64999").uid == 64999);
    CHECK(find_user("64999").gid == 64999);
}

TEST_CASE("who is not there is no user, nor is a number that stands for no change") {
    CHECK_THROWS_WITH_AS(find_user("nobody-of-this-name"),
                         "there is no user nobody-of-this-name: make it (useradd --system "
                         "nobody-of-this-name), or correct [node] user",
                         std::runtime_error);
    for (const char* number : {"", "-1", "4294967295", "4294967296", "64999x", " 64999"})
        CHECK_THROWS_AS(find_user(number), std::runtime_error);
}

TEST_CASE("the user that is asked for is the user") {
    CHECK(choose_user("64999")->uid == 64999);
}

TEST_CASE("in the sandbox a call that no part of weft makes ends the process, and others go on") {
    if (!has_sandbox) {
        MESSAGE("skipped: a build with sanitizers has no sandbox");
        return;
    }
    const auto confined = [](auto work) {
        return outcome([work] {
            enter_sandbox({});
            return work();
        });
    };
    CHECK(confined([] { return ::getpid() > 0 ? 7 : 8; }) == 7);
    CHECK(confined([] { return ::socket(AF_PACKET, SOCK_RAW, 0) >= 0 ? 1 : 2; }) == -SIGSYS);
    CHECK(confined([] { return ::fork() >= 0 ? 1 : 2; }) == -SIGSYS);
    CHECK(confined([] { return ::chroot("/"); }) == -SIGSYS);
    CHECK(confined([] { return ::socket(AF_INET, SOCK_DGRAM, 0) >= 0 ? 1 : 2; }) == -SIGSYS);
    CHECK(outcome([] {
              enter_sandbox({.resolves_names = true});
              return ::socket(AF_INET, SOCK_DGRAM, 0) >= 0 ? 1 : 2;
          }) == 1);
}

}  // namespace weft
