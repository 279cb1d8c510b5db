#include "lab/spawn.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <map>
#include <memory>

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "vswitch/netns.h"
#include "vswitch/system.h"

namespace weft::lab {

namespace {

std::vector<std::string> environment_with(const std::vector<std::pair<std::string, std::string>>& more) {
    std::map<std::string, std::string> all;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string text = *entry;
        const auto middle = text.find('=');
        if (middle != std::string::npos) all[text.substr(0, middle)] = text.substr(middle + 1);
    }
    for (const auto& [name, value] : more) all[name] = value;
    std::vector<std::string> texts;
    texts.reserve(all.size());
    for (const auto& [name, value] : all) texts.push_back(fmt::format("{}={}", name, value));
    return texts;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (std::string& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

// No handler of ours may run in the child, which has our memory.
class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }

    ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  private:
    sigset_t before_{};
};

// What the child is given, all of it made before; and what it tells.
struct Child {
    char* const* arguments;
    char* const* environment;
    const char* folder;  // nullptr: ours
    const NodeSys* sys;
    int output;
    int error;
};

bool take_over_output(int output) noexcept {
    const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    return nothing >= 0 && ::dup2(nothing, STDIN_FILENO) >= 0 && ::dup2(output, STDOUT_FILENO) >= 0 &&
           ::dup2(output, STDERR_FILENO) >= 0;
}

// Makes system calls only, until it is another program.
int become(void* given) noexcept {
    constexpr int failed = 127;
    Child& child = *static_cast<Child*>(given);
    ::setpgid(0, 0);
    struct sigaction by_default{};
    by_default.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) ::sigaction(number, &by_default, nullptr);
    if (take_over_output(child.output)) {
        child.sys->mount();
        if (child.folder == nullptr || ::chdir(child.folder) == 0) {
            sigset_t none;
            ::sigemptyset(&none);
            ::sigprocmask(SIG_SETMASK, &none, nullptr);
            ::execvpe(child.arguments[0], child.arguments, child.environment);
        }
    }
    child.error = errno;
    return failed;
}

}  // namespace

// A child has the network namespace of whoever makes it.
pid_t spawn(const Program& program, const NodeSys& sys, int output) {
    constexpr std::size_t stack_size = std::size_t{64} << 10U;
    auto arguments = program.arguments;
    auto environment = environment_with(program.environment);
    const auto argument_pointers = pointers(arguments);
    const auto environment_pointers = pointers(environment);
    Child child{.arguments = argument_pointers.data(),
                .environment = environment_pointers.data(),
                .folder = program.folder.empty() ? nullptr : program.folder.c_str(),
                .sys = &sys,
                .output = output,
                .error = 0};
    const auto stack = std::make_unique_for_overwrite<std::array<char, stack_size>>();
    pid_t pid = -1;
    in_namespace(program.node, [&] {
        const SignalsBlocked blocked;
        pid = ::clone(become, stack->data() + stack_size, CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
        if (pid < 0) child.error = errno;
    });
    if (child.error == 0) return pid;
    if (pid > 0) ::waitpid(pid, nullptr, 0);
    throw_system_error(fmt::format("cannot run {} in {}", program.arguments.at(0), program.node),
                       child.error);
}

}  // namespace weft::lab
