#include "lab/processes.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vswitch/system.h"

namespace weft::lab {

namespace {

constexpr std::size_t longest_output = std::size_t{1} << 20U;

int status_of(int waited) noexcept {
    constexpr int signal_base = 128;
    return WIFSIGNALED(waited) ? signal_base + WTERMSIG(waited) : WEXITSTATUS(waited);
}

}  // namespace

struct Processes::Running {
    Descriptor output;  // with run(): of the pipe
    std::optional<Poll> poll;
    std::optional<Timer> limit;
    ProgramEnd end;
    std::function<void(ProgramEnd)> ended;

    void read_output() {
        std::array<char, 65536> buffer{};
        while (true) {
            const auto size = ::read(output.get(), buffer.data(), buffer.size());
            if (size < 0 && errno == EINTR) continue;
            if (size <= 0) {
                if (size == 0 && poll) poll->watch({});
                return;
            }
            const auto room = longest_output - end.output.size();
            end.output.append(buffer.data(), std::min(room, static_cast<std::size_t>(size)));
        }
    }
};

Processes::Processes(Loop& loop) : loop_(loop), child_ended_(loop, SIGCHLD, [this] { reap(); }) {}

Processes::~Processes() = default;

pid_t Processes::start(const Program& program, const std::string& log,
                       std::function<void(int status)> ended) {
    const Descriptor file(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!file) throw_system_error("cannot write the log " + log, errno);
    auto running = std::make_unique<Running>();
    running->ended = [ended = std::move(ended)](const ProgramEnd& end) {
        if (ended) ended(end.status);
    };
    const pid_t pid = spawn(program, sys_, file.get());
    running_.emplace(pid, std::move(running));
    return pid;
}

pid_t Processes::run(const Program& program, Duration within, std::function<void(ProgramEnd)> ended) {
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) throw_system_error("cannot make a pipe", errno);
    auto running = std::make_unique<Running>();
    running->output = Descriptor(pipe[0]);
    const Descriptor theirs(pipe[1]);
    running->ended = std::move(ended);
    const pid_t pid = spawn(program, sys_, theirs.get());
    Running& one = *running;
    running_.emplace(pid, std::move(running));
    one.poll.emplace(loop_, one.output.get(), [&one](Poll::Events) { one.read_output(); });
    one.poll->watch({.readable = true});
    one.limit.emplace(loop_, [this, pid, &one] {
        one.end.timed_out = true;
        kill_group(pid);
    });
    one.limit->start(within);
    return pid;
}

void Processes::kill_group(pid_t pid) noexcept {
    if (running_.contains(pid)) ::kill(-pid, SIGKILL);
}

bool Processes::is_alive(pid_t pid) const noexcept {
    return running_.contains(pid);
}

// Several ends may be one signal.
void Processes::reap() {
    while (true) {
        int waited = 0;
        const pid_t pid = ::waitpid(-1, &waited, WNOHANG);
        if (pid < 0 && errno == EINTR) continue;
        if (pid <= 0) return;
        const auto found = running_.find(pid);
        if (found == running_.end()) continue;
        const auto one = std::move(found->second);
        running_.erase(found);
        if (one->output) one->read_output();
        one->end.status = status_of(waited);
        if (one->ended) one->ended(std::move(one->end));
    }
}

}  // namespace weft::lab
