#include "lab/sandbox.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <stdexcept>

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace weft::lab {

namespace {

bool says(const char* path, char expected) {
    std::ifstream file(path);
    return file.get() == expected;
}

std::string cure_for_user_namespace(int error) {
    if (error == ENOSPC || says("/proc/sys/user/max_user_namespaces", '0'))
        return "allow user namespaces (sysctl user.max_user_namespaces=10000), or run this as root";
    if (says("/proc/sys/kernel/unprivileged_userns_clone", '0'))
        return "allow them to users (sysctl kernel.unprivileged_userns_clone=1), or run this as root";
    if (says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1')) {
        return "AppArmor forbids them here: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run "
               "this as root";
    }
    return "in a container: allow it unshare(2) (--security-opt seccomp=unconfined); or run this as root";
}

void write_file(const char* path, const std::string& text) {
    const Descriptor file(::open(path, O_WRONLY | O_CLOEXEC));
    if (!file || ::write(file.get(), text.data(), text.size()) < 0)
        throw_system_error(fmt::format("cannot write {}", path), errno);
}

// Who calls is root inside. Groups cannot be given up there, or a user could come to files that its group is
// shut out from.
void become_root_of_a_user_namespace() {
    const uid_t uid = ::geteuid();
    const gid_t gid = ::getegid();
    if (::unshare(CLONE_NEWUSER) != 0) {
        const int error = errno;
        throw_system_error("cannot make a user namespace", error, cure_for_user_namespace(error));
    }
    write_file("/proc/self/uid_map", fmt::format("0 {} 1", uid));
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/gid_map", fmt::format("0 {} 1", gid));
}

void unshare_all(bool rootless) {
    if (rootless || ::geteuid() != 0) {
        become_root_of_a_user_namespace();
    }
    if (::unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS) != 0) {
        const int error = errno;
        throw_system_error("cannot make namespaces for the lab", error,
                           error == EPERM    ? cure_for_user_namespace(error)
                           : error == ENOSPC ? "raise the limits in /proc/sys/user"
                                             : "");
    }
}

void use_log(const std::string& folder) {
    const Descriptor nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const Descriptor log(
        ::open((folder + "/lab.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!nothing || !log) throw_system_error("cannot write the log " + folder + "/lab.log", errno);
    ::dup2(nothing.get(), STDIN_FILENO);
    ::dup2(log.get(), STDOUT_FILENO);
    ::dup2(log.get(), STDERR_FILENO);
}

// `pid_is_told` ends when the front has been told who this is: nothing is said before that.
[[noreturn]] void be_the_lab(DescriptorChannel& channel, const Descriptor& pid_is_told,
                             const std::function<int(DescriptorChannel&)>& inside) noexcept {
    int status = 1;
    try {
        char nothing = 0;
        while (::read(pid_is_told.get(), &nothing, 1) < 0 && errno == EINTR) {
        }
        // Neither a terminal's Ctrl-C nor the end of its session is for the lab.
        ::setsid();
        ::prctl(PR_SET_NAME, runner_name, 0, 0, 0);
        status = inside(channel);
    } catch (const std::exception& error) {
        fmt::print(stderr, "weft lab: {}\n", error.what());
        try {
            channel.send({{"error", error.what()}});
        } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): the log has it
        }
    }
    std::fflush(nullptr);
    ::_exit(status);
}

void take_signals() noexcept {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Only a child of whoever unshares is in the new namespace of processes.
[[noreturn]] void unshare_and_fork(DescriptorChannel& channel, const SandboxOptions& options,
                                   const std::function<int(DescriptorChannel&)>& inside) noexcept {
    try {
        take_signals();
        use_log(options.folder);
        unshare_all(options.rootless);
        std::array<int, 2> pipe{};
        if (::pipe2(pipe.data(), O_CLOEXEC) != 0) throw_system_error("cannot make a pipe", errno);
        const Descriptor pid_is_told(pipe[0]);
        Descriptor telling(pipe[1]);
        const pid_t pid = ::fork();
        if (pid < 0) throw_system_error("cannot fork the lab", errno);
        if (pid == 0) {
            telling = Descriptor{};
            be_the_lab(channel, pid_is_told, inside);
        }
        channel.send({{"pid", pid}});
        ::_exit(0);
    } catch (const std::exception& error) {
        try {
            channel.send({{"error", error.what()}});
        } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): nobody is there to be told
        }
    }
    ::_exit(1);
}

}  // namespace

Sandbox start_sandbox(const SandboxOptions& options, const std::function<int(DescriptorChannel&)>& inside) {
    std::fflush(nullptr);
    auto [ours, theirs] = DescriptorChannel::make_pair();
    const pid_t helper = ::fork();
    if (helper < 0) throw_system_error("cannot fork", errno);
    if (helper == 0) {
        ours = Descriptor{};
        DescriptorChannel channel(std::move(theirs));
        unshare_and_fork(channel, options, inside);
    }
    theirs = Descriptor{};
    Sandbox sandbox{.channel = DescriptorChannel(std::move(ours)), .pid = 0};
    while (::waitpid(helper, nullptr, 0) < 0 && errno == EINTR) {
    }
    const auto message = sandbox.channel.receive();
    if (!message)
        throw std::runtime_error("the lab's process has ended at once: see " + options.folder + "/lab.log");
    if (message->body.contains("error"))
        throw std::runtime_error(message->body.at("error").get<std::string>());
    sandbox.pid = message->body.at("pid").get<pid_t>();
    return sandbox;
}

}  // namespace weft::lab
