#include "cli/successor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <stdexcept>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "cli/privileges.h"

namespace weft {

namespace {

constexpr int first_passed = 3;  // SD_LISTEN_FDS_START

// Copies above all places where they shall be in the end, so that none is overwritten.
std::vector<Descriptor> out_of_the_way(const std::vector<std::pair<std::string, Descriptor>>& descriptors) {
    std::vector<Descriptor> high;
    const int above = first_passed + static_cast<int>(descriptors.size());
    for (const auto& [name, descriptor] : descriptors) {
        high.emplace_back(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, above));
        if (!high.back())
            throw_system_error("cannot hand over " + name, errno, "raise LimitNOFILE (ulimit -n)");
    }
    return high;
}

std::string joined_names(const std::vector<std::pair<std::string, Descriptor>>& descriptors) {
    std::string names = "LISTEN_FDNAMES=";
    for (const auto& [name, descriptor] : descriptors) names += (names.back() == '=' ? "" : ":") + name;
    return names;
}

}  // namespace

std::vector<char*> SuccessorProgram::arguments() const {
    std::vector<char*> list{const_cast<char*>("weftd")};
    for (const std::string& argument : arguments_) list.push_back(const_cast<char*>(argument.c_str()));
    list.push_back(nullptr);
    return list;
}

void SuccessorProgram::try_out() const {
    std::array<char*, 3> list{const_cast<char*>("weftd"), const_cast<char*>("--version"), nullptr};
    std::array<char*, 1> environment{nullptr};
    posix_spawn_file_actions_t actions{};
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    const int error =
        ::posix_spawn(&child, program_.c_str(), &actions, nullptr, list.data(), environment.data());
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw_system_error("cannot run " + program_, error, "install it again");
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        throw std::runtime_error(program_ + " --version fails: install it again");
}

void SuccessorProgram::become(std::vector<std::pair<std::string, Descriptor>> descriptors) const {
    const auto high = out_of_the_way(descriptors);
    std::array<std::string, 3> variables{joined_names(descriptors), fmt::format("LISTEN_FDS={}", high.size()),
                                         fmt::format("LISTEN_PID={}", ::getpid())};
    std::array<char*, 4> environment{variables[0].data(), variables[1].data(), variables[2].data(), nullptr};
    for (auto& [name, descriptor] : descriptors) descriptor = {};
    for (std::size_t i = 0; i < high.size(); ++i) ::dup2(high[i].get(), first_passed + static_cast<int>(i));
    const Descriptor nothing{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    ::dup2(nothing.get(), STDIN_FILENO);
    ::close_range(static_cast<unsigned>(first_passed) + static_cast<unsigned>(high.size()), ~0U, 0);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) std::signal(number, SIG_DFL);
    pass_on_capabilities();
    auto list = arguments();
    ::execve(program_.c_str(), list.data(), environment.data());
    throw_system_error("cannot run " + program_, errno, "start weftd");
}

}  // namespace weft
