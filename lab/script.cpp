#include "lab/script.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "lab/expectation.h"
#include "lab/lab_control.h"
#include "lab/lab_report.h"
#include "lab/launch.h"
#include "lab/state_folder.h"

namespace weft::lab {

namespace {

using std::chrono::steady_clock;

constexpr Duration between_attempts = std::chrono::milliseconds{200};

double seconds(Duration duration) {
    return std::chrono::duration<double>{duration}.count();
}

// Indented, with a newline at its end.
std::string quoted(const std::string& output) {
    std::string text = "    | ";
    for (const char one : output.empty() || output.back() != '\n' ? output + '\n' : output) {
        text += one;
        if (one == '\n') text += "    | ";
    }
    return text.substr(0, text.size() - 6);
}

class Script {
  public:
    Script(const Topology& topology, const InterruptWatch& watch, const RunOptions& options)
        : topology_(topology), watch_(watch), options_(options) {}

    bool run() {
        for (std::size_t i = 0; i < topology_.script.size(); ++i) {
            if (!run_step(i)) return false;
        }
        return true;
    }

  private:
    struct Outcome {
        std::optional<std::string> problem;
        std::string output;
    };

    bool run_step(std::size_t index) {
        const Step& step = topology_.script[index];
        const auto began = steady_clock::now();
        if (step.wait) watch_.sleep(*step.wait);
        const Outcome outcome = act(index);
        const std::chrono::duration<double> took = steady_clock::now() - began;
        if (!outcome.problem) {
            fmt::print("ok      {} ({:.1f} s)\n", step.name, took.count());
            if (options_.verbose && !outcome.output.empty()) fmt::print("{}", quoted(outcome.output));
            std::fflush(stdout);
            return true;
        }
        fmt::print("FAILED  {} ({:.1f} s)\n    {}:{}: {}\n", step.name, took.count(), topology_.file,
                   step.line, *outcome.problem);
        if (const auto* command = step.action ? std::get_if<RunCommand>(&*step.action) : nullptr) {
            fmt::print("    {}: {}\n{}", topology_.nodes.at(command->node).name, command->command,
                       quoted(outcome.output));
        }
        std::fflush(stdout);
        return false;
    }

    Outcome act(std::size_t index) {
        const Step& step = topology_.script[index];
        if (!step.action) return {};
        const auto* command = std::get_if<RunCommand>(&*step.action);
        if (command == nullptr) {
            Client{socket()}.call("step", {{"number", index}});
            return {};
        }
        if (step.background) {
            Client{socket()}.call("start", {{"node", node_of(*command)}, {"command", command->command}});
            return {};
        }
        return run_until_met(step, *command);
    }

    Outcome run_until_met(const Step& step, const RunCommand& command) {
        const auto until = steady_clock::now() + step.within;
        while (true) {
            const ProgramEnd end = run_once(command, until - steady_clock::now());
            Outcome outcome{unmet(step, end), end.output};
            if (!outcome.problem || !step.retry || steady_clock::now() + between_attempts >= until)
                return outcome;
            watch_.sleep(between_attempts);
        }
    }

    ProgramEnd run_once(const RunCommand& command, Duration within) {
        Client client{socket()};
        client.call("run", {{"node", node_of(command)},
                            {"command", command.command},
                            {"within_s", std::max(seconds(within), 0.001)}});
        if (!client.has_heard_more()) watch_.wait(client.descriptor());
        const auto end = client.next_notification();
        return {.status = end.at("status").get<int>(),
                .timed_out = end.at("timed_out").get<bool>(),
                .output = end.at("output").get<std::string>()};
    }

    [[nodiscard]] std::string socket() const { return state_folder(topology_.name) + "/" + control_socket; }

    [[nodiscard]] const std::string& node_of(const RunCommand& command) const {
        return topology_.nodes.at(command.node).name;
    }

    const Topology& topology_;
    const InterruptWatch& watch_;
    RunOptions options_;
};

}  // namespace

int run_script(const Topology& topology, const RunOptions& options) {
    if (topology.script.empty()) {
        throw std::runtime_error(
            fmt::format("{} has no [[step]]: weft lab up {} makes the lab and leaves it running",
                        topology.file, topology.file));
    }
    const InterruptWatch watch;
    const auto began = steady_clock::now();
    auto lab = Launched::up(watch, topology, {.rootless = options.rootless, .stays = true, .progress = {}});
    fmt::print("lab {} is up: {}\n", topology.name, size_of(topology));
    for (const std::string& warning : lab.warnings()) fmt::print("warning: {}\n", warning);
    std::fflush(stdout);
    bool passed = false;
    try {
        passed = Script(topology, watch, options).run();
    } catch (...) {
        lab.down();
        throw;
    }
    lab.down();
    const std::chrono::duration<double> took = steady_clock::now() - began;
    fmt::print("{}: {} in {:.1f} s\n", topology.file,
               passed ? fmt::format("all {} steps passed", topology.script.size()) : "a step failed",
               took.count());
    return passed ? 0 : 1;
}

}  // namespace weft::lab
