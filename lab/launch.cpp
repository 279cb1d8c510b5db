#include "lab/launch.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "lab/lab_control.h"
#include "lab/lab_process.h"
#include "vswitch/precise_timer.h"

namespace weft::lab {

namespace {

using namespace std::chrono_literals;

sigset_t interrupts() noexcept {
    sigset_t signals;
    ::sigemptyset(&signals);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals, number);
    return signals;
}

// Of a process that is no child of ours. False: it is there still.
bool wait_for_end(pid_t pid, std::chrono::milliseconds patience) {
    const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process) return true;
    pollfd one{.fd = process.get(), .events = POLLIN, .revents = 0};
    return ::poll(&one, 1, static_cast<int>(patience.count())) > 0;
}

// What the lab has to close takes its time, and less if the lab does it.
constexpr auto until_killed = 10s;

void end_orderly(pid_t pid) {
    ::kill(pid, SIGTERM);
    if (!wait_for_end(pid, until_killed)) end_process(pid);
}

}  // namespace

InterruptWatch::InterruptWatch() {
    const sigset_t signals = interrupts();
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    signals_ = Descriptor(::signalfd(-1, &signals, SFD_CLOEXEC));
    if (!signals_) throw_system_error("cannot wait for signals", errno);
}

InterruptWatch::~InterruptWatch() {
    const sigset_t signals = interrupts();
    ::sigprocmask(SIG_UNBLOCK, &signals, nullptr);
}

void InterruptWatch::wait(int descriptor) const {
    wait(descriptor, std::optional<Duration>{});
}

void InterruptWatch::sleep(Duration duration) const {
    constexpr int none = -1;  // poll(2) passes over it
    wait(none, std::optional{duration});
}

bool InterruptWatch::wait_for(int descriptor, Duration patience) const {
    return wait(descriptor, std::optional{patience});
}

bool InterruptWatch::wait(int descriptor, std::optional<Duration> patience) const {
    std::array<pollfd, 2> both{{{.fd = descriptor, .events = POLLIN, .revents = 0},
                                {.fd = signals_.get(), .events = POLLIN, .revents = 0}}};
    const Instant until = precise_now() + patience.value_or(Duration::zero());
    timespec left{};
    int ready = -1;
    while (ready < 0) {
        if (patience) {
            const Duration rest = std::max(until - precise_now(), Duration::zero());
            left = {.tv_sec = rest / 1s, .tv_nsec = (rest % 1s).count()};
        }
        ready = ::ppoll(both.data(), both.size(), patience ? &left : nullptr, nullptr);
        if (ready < 0 && errno != EINTR) throw_system_error("cannot wait for the lab", errno);
    }
    signalfd_siginfo taken{};
    if (both[1].revents != 0 && ::read(signals_.get(), &taken, sizeof(taken)) == sizeof(taken))
        throw Interrupted();
    return both[0].revents != 0;
}

Launched Launched::up(const InterruptWatch& watch, const Topology& topology, const LaunchOptions& options) {
    FolderClaim claim = FolderClaim::take(topology.name);
    std::optional<Sandbox> sandbox;
    try {
        // Only root's namespace has interfaces that root may give away.
        const bool gives = ::geteuid() == 0 && !options.rootless;
        const Descriptor machine(gives ? ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) : -1);
        const Runner::Options inside{
            .folder = claim.path(), .programs = programs_folder(), .machine = machine.get()};
        sandbox = start_sandbox({.rootless = options.rootless, .folder = claim.path()},
                                [&](DescriptorChannel& front) { return run_lab(front, topology, inside); });
        while (true) {
            watch.wait(sandbox->channel.descriptor());
            const auto message = sandbox->channel.receive();
            if (!message) {
                throw std::runtime_error(
                    fmt::format("the lab has ended while it began: its processes were killed"));
            }
            const auto& body = message->body;
            if (body.contains("error")) throw std::runtime_error(body.at("error").get<std::string>());
            if (body.contains("progress") && options.progress)
                options.progress(body.at("progress").get<std::string>());
            if (!body.contains("up")) continue;
            sandbox->channel.send({{"go_on", true}, {"stays", options.stays}});
            Launched launched(std::move(claim), std::move(*sandbox));
            launched.warnings_ = body.at("warnings").get<std::vector<std::string>>();
            return launched;
        }
    } catch (...) {
        if (sandbox) end_process(sandbox->pid);
        claim.remove_folder();
        throw;
    }
}

void Launched::wait(const InterruptWatch& watch) const {
    do {
        watch.wait(sandbox_.channel.descriptor());
    } while (sandbox_.channel.receive());
}

void Launched::down() {
    end_orderly(sandbox_.pid);
    claim_.remove_folder();
}

void take_down(const std::string& lab) {
    const std::string socket = state_folder(lab) + "/" + control_socket;
    pid_t pid = 0;
    if (is_running(lab)) {
        try {
            Client client{socket};
            pid = client.peer();
            client.call("down", nlohmann::json::object());
        } catch (const std::exception& error) {
            if (pid == 0) {
                throw std::runtime_error(fmt::format(
                    "the lab {} does not answer ({}): it is just beginning or ending; weft lab clean "
                    "ends what hangs",
                    lab, error.what()));
            }
        }
        if (!wait_for_end(pid, until_killed)) end_process(pid);
    }
    // The one that has just ended gives its lock back when the kernel has closed its devices.
    for (const auto until = std::chrono::steady_clock::now() + 30s; std::chrono::steady_clock::now() < until;
         std::this_thread::sleep_for(5ms)) {
        if (!std::filesystem::exists(state_folder(lab))) break;
        auto claim = FolderClaim::try_existing(lab);
        if (!claim) continue;
        claim->remove_folder();
        if (pid != 0) return;
        break;
    }
    if (pid == 0) {
        throw std::runtime_error(
            fmt::format("no lab called {} runs: weft lab list tells which ones do", lab));
    }
}

void end_process(pid_t pid) {
    constexpr auto patience = 60s;
    ::kill(pid, SIGKILL);
    if (!wait_for_end(pid, patience))
        throw std::runtime_error(fmt::format("process {}, the lab's, does not end", pid));
}

std::string programs_folder() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

std::string search_path(const std::string& programs) {
    const char* given = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe)
    const std::string path =
        given != nullptr ? given : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    return (":" + path + ":").find(":" + programs + ":") == std::string::npos ? programs + ":" + path : path;
}

}  // namespace weft::lab
