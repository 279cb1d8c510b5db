#include "cni/child.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "vswitch/system.h"

namespace weft::cni {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t most_output = std::size_t{1} << 20U;

struct Pipe {
    Descriptor out;
    Descriptor in;
};

Pipe make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw_system_error("cannot make a pipe", errno);
    return {Descriptor{ends[0]}, Descriptor{ends[1]}};
}

[[noreturn]] void become(const char* path, char* const* environment, int input, int output) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::signal(SIGPIPE, SIG_DFL);
    std::array<char*, 2> arguments{const_cast<char*>(path), nullptr};
    if (::dup2(input, STDIN_FILENO) >= 0 && ::dup2(output, STDOUT_FILENO) >= 0)
        ::execve(path, arguments.data(), environment);
    ::_exit(127);
}

// The conversation with a child that is running.
class Conversation {
  public:
    Conversation(pid_t child, Descriptor to, Descriptor from, std::string_view input)
        : child_(child), to_(std::move(to)), from_(std::move(from)), input_(input) {
        ended_ = Descriptor{static_cast<int>(::syscall(SYS_pidfd_open, child, 0))};
        if (!ended_) {
            const int error = errno;
            end();
            throw_system_error("cannot watch a child (pidfd_open)", error, "this takes Linux 5.3");
        }
        ::fcntl(to_.get(), F_SETFL, O_NONBLOCK);
        ::fcntl(from_.get(), F_SETFL, O_NONBLOCK);
    }

    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;

    ~Conversation() {
        if (child_ > 0) end();
    }

    // False when the time is up.
    bool hold(Clock::time_point deadline) {
        for (;;) {
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
            if (left <= 0) return false;
            // What is negative is passed over.
            std::array<pollfd, 3> waiting{pollfd{.fd = to_.get(), .events = POLLOUT, .revents = 0},
                                          pollfd{.fd = from_.get(), .events = POLLIN, .revents = 0},
                                          pollfd{.fd = ended_.get(), .events = POLLIN, .revents = 0}};
            if (::poll(waiting.data(), waiting.size(), static_cast<int>(left)) < 0 && errno != EINTR)
                return false;
            if (waiting[0].revents != 0) write();
            if (waiting[1].revents != 0) read();
            if (waiting[2].revents != 0) {
                read();
                return true;
            }
        }
    }

    // Of one that ends by itself.
    int wait() {
        int status = 0;
        while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) continue;
        child_ = -1;
        return status;
    }

    // Kills it and what it has started.
    int end() {
        ::kill(-child_, SIGKILL);
        return wait();
    }

    std::string take_output() { return std::move(output_); }

  private:
    void write() {
        const auto size = ::write(to_.get(), input_.data(), input_.size());
        if (size > 0) input_.remove_prefix(static_cast<std::size_t>(size));
        const bool broken = size < 0 && errno != EAGAIN && errno != EINTR;
        if (input_.empty() || broken) to_ = Descriptor{};
    }

    void read() {
        std::array<char, 65536> buffer{};
        while (from_) {
            const auto size = ::read(from_.get(), buffer.data(), buffer.size());
            if (size < 0 && errno == EINTR) continue;
            if (size < 0 && errno == EAGAIN) return;
            if (size <= 0) {
                from_ = Descriptor{};
                return;
            }
            const auto room = most_output - output_.size();
            output_.append(buffer.data(), std::min(room, static_cast<std::size_t>(size)));
            if (room == 0) return;
        }
    }

    pid_t child_;
    Descriptor to_;
    Descriptor from_;
    Descriptor ended_;
    std::string_view input_;
    std::string output_;
};

}  // namespace

std::string ChildResult::ending() const {
    return WIFSIGNALED(status) ? fmt::format("is ended by signal {}", WTERMSIG(status))
                               : fmt::format("ends with status {}", WEXITSTATUS(status));
}

ChildResult run_child(const std::string& path, const std::vector<std::string>& environment,
                      const std::string& input, std::chrono::milliseconds patience) {
    std::vector<char*> variables;
    variables.reserve(environment.size() + 1);
    for (const auto& variable : environment) variables.push_back(const_cast<char*>(variable.c_str()));
    variables.push_back(nullptr);

    std::signal(SIGPIPE, SIG_IGN);
    auto to = make_pipe();
    auto from = make_pipe();
    const pid_t child = ::fork();
    if (child < 0) throw_system_error("cannot start " + path, errno);
    if (child == 0) become(path.c_str(), variables.data(), to.out.get(), from.in.get());
    ::setpgid(child, child);
    to.out = Descriptor{};
    from.in = Descriptor{};

    ChildResult result;
    Conversation conversation{child, std::move(to.in), std::move(from.out), input};
    result.timed_out = !conversation.hold(Clock::now() + patience);
    result.status = result.timed_out ? conversation.end() : conversation.wait();
    result.output = conversation.take_output();
    return result;
}

}  // namespace weft::cni
