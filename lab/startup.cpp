#include "lab/startup.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <variant>

#include <sys/socket.h>
#include <sys/un.h>

#include <fmt/format.h>

#include "config/load.h"
#include "lab/launch.h"
#include "vswitch/precise_timer.h"
#include "vswitch/system.h"

namespace weft::lab {

namespace {

using namespace std::chrono_literals;

constexpr Duration for_a_command = 60s;
constexpr Duration for_a_site_command = 5s;
constexpr Duration for_weftd = 30s;
constexpr Duration between_looks = 10ms;

std::string end_of(const std::string& text) {
    constexpr std::size_t lines = 12;
    std::size_t from = text.size();
    for (std::size_t i = 0; i <= lines && from != std::string::npos && from > 0; ++i)
        from = text.rfind('\n', from - 1);
    return from == std::string::npos ? text : text.substr(from == 0 ? 0 : from + 1);
}

std::string end_of_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return end_of({std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()});
}

Descriptor connect_to(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) return {};
    std::ranges::copy(path, address.sun_path);
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket && ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        return socket;
    return {};
}

config::Config load_site(const std::string& file) {
    auto loaded = config::load(file);
    if (loaded) return std::move(*loaded);
    std::string problems;
    for (const std::string& problem : loaded.error()) problems += "\n  " + problem;
    throw std::runtime_error("its configuration cannot be used:" + problems);
}

}  // namespace

Startup::Startup(Runner& runner, Progress progress, std::function<void()> finished)
    : runner_(runner),
      progress_(std::move(progress)),
      finished_(std::move(finished)),
      again_(runner.loop(), [this] {
          const auto look = look_;  // which it may replace
          look();
      }) {
    const Topology& topology = runner.topology();
    for (const std::string& command : topology.init)
        steps_.emplace_back([this, command] { run_init(command); });
    for (NodeIndex i = 0; i < topology.nodes.size(); ++i) {
        if (const auto* host = std::get_if<Host>(&topology.nodes[i].kind)) {
            for (const std::string& command : host->run)
                steps_.emplace_back([this, i, command] { start_host_command(i, command); });
        }
    }
    for (NodeIndex i = 0; i < topology.nodes.size(); ++i) {
        if (const auto* site = std::get_if<Site>(&topology.nodes[i].kind)) {
            for (const std::string& command : site->run)
                steps_.emplace_back([this, i, command] { run_site_command(i, command); });
            steps_.emplace_back([this, i] { start_weftd(i); });
        }
    }
    steps_.emplace_back([this] {
        runner_.add_late_routes();
        next();
    });
}

void Startup::next() {
    if (step_ == steps_.size()) return finished_();
    const auto step = steps_[step_++];
    step();
}

void Startup::run_init(const std::string& command) {
    progress_(command);
    const Program program{.node = "/proc/self/ns/net",  // the lab's own, where no node is
                          .arguments = {"/bin/sh", "-c", command},
                          .folder = std::filesystem::absolute(runner_.topology().file).parent_path(),
                          .environment = {{"PATH", search_path(runner_.options().programs)},
                                          {"WEFT_LAB", runner_.topology().name}}};
    runner_.processes().run(program, for_a_command, [this, command](const ProgramEnd& end) {
        if (end.status == 0) return next();
        throw std::runtime_error(fmt::format(
            "the first command '{}' {}: {}", command,
            end.timed_out ? "has not ended within a minute" : fmt::format("ends with status {}", end.status),
            end_of(end.output)));
    });
}

// Left alone: the lab is up all the same.
void Startup::start_host_command(NodeIndex host, const std::string& command) {
    runner_.processes().start(runner_.shell(host, command), runner_.log_of(host),
                              [this, host, command](int status) {
                                  if (status == 0) return;
                                  runner_.warn(fmt::format("node {}: '{}' has ended with status {}: see {}",
                                                           runner_.topology().nodes[host].name, command,
                                                           status, runner_.log_of(host)));
                              });
    next();
}

// One that goes on is left alone; but most set something up that weftd needs.
void Startup::run_site_command(NodeIndex site, const std::string& command) {
    const std::string name = runner_.topology().nodes[site].name;
    progress_(fmt::format("site {}: {}", name, command));
    const auto ended = std::make_shared<std::optional<int>>();
    runner_.processes().start(runner_.shell(site, command), runner_.log_of(site),
                              [ended](int status) { *ended = status; });
    patience_ = precise_now() + for_a_site_command;
    look_ = [this, site, name, command, ended] {
        if (!*ended && precise_now() < patience_) return;
        again_.stop();
        if (ended->value_or(0) == 0) return next();
        throw std::runtime_error(fmt::format("site {}: '{}' ends with status {}: {}", name, command, **ended,
                                             end_of_file(runner_.log_of(site))));
    };
    again_.start(between_looks, between_looks);
}

void Startup::start_weftd(NodeIndex site) {
    const Node& node = runner_.topology().nodes[site];
    progress_(fmt::format("site {}", node.name));
    const std::string file = std::filesystem::absolute(std::get<Site>(node.kind).config);
    const std::string folder = std::filesystem::path{file}.parent_path();
    try {
        const auto config = load_site(file);
        control_ = std::filesystem::path{folder} / config.node.control;
        runner_.set_control(site, control_);
        const auto ended = [&runner = runner_, site](int status) {
            runner.warn(fmt::format("site {}: weftd has ended with status {}: see {}",
                                    runner.topology().nodes[site].name, status, runner.log_of(site)));
        };
        const Program weftd{.node = node.name,
                            .arguments = {runner_.options().programs + "/weftd", "--config", file},
                            .folder = folder,
                            .environment = runner_.environment(site)};
        weftd_ = runner_.processes().start(weftd, runner_.log_of(site), ended);
    } catch (const std::exception& error) {
        throw std::runtime_error(fmt::format("site {}: {}", node.name, error.what()));
    }
    question_ = {};
    patience_ = precise_now() + for_weftd;
    look_ = [this, site] { look_for_weftd(site); };
    again_.start(between_looks, between_looks);
}

// It has its socket early, and answers when its devices are there. Nobody waits here: the lab's packets go
// on.
bool Startup::weftd_answers() {
    if (!question_) {
        question_ = connect_to(control_);
        constexpr std::string_view status = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n";
        if (question_ && ::send(question_.get(), status.data(), status.size(), MSG_NOSIGNAL) < 0)
            question_ = {};
    }
    if (!question_) return false;
    char some = 0;
    const ssize_t got = ::recv(question_.get(), &some, sizeof some, MSG_DONTWAIT);
    const bool is_waiting = got < 0 && (errno == EAGAIN || errno == EINTR);
    if (got <= 0 && !is_waiting) question_ = {};  // hung up: asked again at the next look
    return got > 0;
}

void Startup::look_for_weftd(NodeIndex site) {
    const bool is_there = weftd_answers();
    const bool is_alive = runner_.processes().is_alive(weftd_);
    if (!is_there && is_alive && precise_now() < patience_) return;
    again_.stop();
    question_ = {};
    if (is_there && is_alive) return next();
    throw std::runtime_error(fmt::format("site {}: weftd {}: {}", runner_.topology().nodes[site].name,
                                         is_alive ? "does not answer within 30 s" : "has ended",
                                         end_of_file(runner_.log_of(site))));
}

}  // namespace weft::lab
