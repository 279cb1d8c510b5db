#include "lab/exec.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <utility>

#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "lab/lab_control.h"
#include "lab/launch.h"
#include "lab/node_sys.h"
#include "lab/state_folder.h"
#include "vswitch/netns.h"
#include "vswitch/system.h"

namespace weft::lab {

namespace {

constexpr int no_such_program = 127;
constexpr int cannot_run = 126;

using Environment = std::vector<std::pair<std::string, std::string>>;

bool has_other_user_namespace(pid_t process) {
    struct stat ours{};
    struct stat its{};
    const std::string path = fmt::format("/proc/{}/ns/user", process);
    if (::stat("/proc/self/ns/user", &ours) != 0 || ::stat(path.c_str(), &its) != 0)
        throw_system_error("cannot look at " + path, errno, "is the lab another user's?");
    return ours.st_ino != its.st_ino || ours.st_dev != its.st_dev;
}

// All of them at once, or the mount namespace would be entered without the right to. The namespace of
// processes is for children.
void enter_lab(pid_t runner) {
    const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, runner, 0)));
    if (!process) throw_system_error("cannot look at the lab's process", errno);
    const int user = has_other_user_namespace(runner) ? CLONE_NEWUSER : 0;
    if (::setns(process.get(), user | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS) != 0)
        throw_system_error("cannot enter the lab", errno, "is it another user's? root's are entered by root");
}

void enter_node(const std::string& node) {
    const Descriptor network = open_namespace(node);
    if (::setns(network.get(), CLONE_NEWNET) != 0) throw_system_error("cannot enter " + node, errno);
}

[[noreturn]] void become(const std::vector<std::string>& command, const Environment& environment,
                         const std::string& folder) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    NodeSys{}.mount();
    if (::chdir(folder.c_str()) != 0 && ::chdir("/") != 0) ::_exit(cannot_run);
    for (const auto& [name, value] : environment)
        ::setenv(name.c_str(), value.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): the only thread
    std::vector<std::string> words = command;
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    ::execvp(arguments[0], arguments.data());
    const int error = errno;
    fmt::print(stderr, "weft lab: cannot run {}: {}\n", command[0], std::generic_category().message(error));
    ::_exit(error == ENOENT ? no_such_program : cannot_run);
}

volatile std::sig_atomic_t child_of_exec = 0;

void pass_on(int number) {
    if (child_of_exec > 0) ::kill(static_cast<pid_t>(child_of_exec), number);
}

// The terminal tells the program itself of Ctrl-C.
int wait_for(pid_t child) {
    child_of_exec = child;
    std::signal(SIGINT, SIG_IGN);
    std::signal(SIGQUIT, SIG_IGN);
    std::signal(SIGTERM, pass_on);
    std::signal(SIGHUP, pass_on);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) throw_system_error("cannot wait for the program", errno);
    }
    constexpr int signal_base = 128;
    return WIFSIGNALED(status) ? signal_base + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

void exec_in_node(const std::string& lab, const std::string& node, const std::vector<std::string>& command) {
    Client client{state_folder(lab) + "/" + control_socket};
    const auto environment = client.call("node", {{"name", node}}).at("environment").get<Environment>();
    std::error_code ignored;
    const std::string folder = std::filesystem::current_path(ignored);
    enter_lab(client.peer());
    enter_node(node);
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child < 0) throw_system_error("cannot start a process in the lab", errno);
    if (child == 0) become(command, environment, folder);
    const int status = wait_for(child);
    std::fflush(nullptr);
    // What runs at an orderly exit may start a thread, as a sanitizer does, in the lab's namespace of
    // processes, and then look for it in this one's.
    ::_exit(status);
}

}  // namespace weft::lab
