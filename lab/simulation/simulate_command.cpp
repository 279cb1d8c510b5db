#include "lab/simulation/simulate_command.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "lab/simulation/simulation_report.h"
#include "lab/switch_loop.h"

namespace weft::lab {

namespace {

constexpr int wrong_usage = 2;

constexpr auto footer =
    "Runs the network of FILE in virtual time, without devices or processes: its [[traffic]] sends, its\n"
    "[[event]]s happen, and an hour takes seconds. The same file and seed give the same packets at the same\n"
    "nanoseconds: two captures are equal byte for byte.\n"
    "\n"
    "  weft lab simulate office.toml --length 1h\n"
    "  weft lab simulate office.toml --seed 7 --pcapng office.pcapng --capture wan\n"
    "  weft lab simulate office.toml --pcapng - | wireshark -k -i -\n";

// Where the capture goes.
class OutputFile {
  public:
    explicit OutputFile(const std::string& name)
        : name_(name), file_(name == "-" ? stdout : std::fopen(name.c_str(), "wbe")) {
        if (file_ == nullptr) fail("cannot be written");
    }

    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    ~OutputFile() {
        if (file_ != nullptr && file_ != stdout) (void)std::fclose(file_);
    }

    void write(std::span<const std::uint8_t> bytes) const {
        if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) fail("cannot be written");
    }

    void close() {
        std::FILE* file = std::exchange(file_, nullptr);
        const int closed = file == stdout ? std::fflush(file) : std::fclose(file);
        if (closed != 0) fail("cannot be written");
    }

  private:
    [[noreturn]] void fail(const char* what) const {
        throw std::runtime_error(
            fmt::format("{}: {}: {}", name_, what, std::generic_category().message(errno)));
    }

    std::string name_;
    std::FILE* file_;
};

}  // namespace

SimulateCommand::SimulateCommand(CLI::App& app, const bool& as_json, int& status) {
    auto* command = app.add_subcommand("simulate", "run a file's network and traffic in virtual time");
    command->footer(footer);
    command->add_option("FILE", file_, "The lab (TOML)")->required();
    command->add_option("-v,--variable", variables_, "VARIABLE=VALUE, in place of the file's")
        ->allow_extra_args(false);
    command->add_option("--seed", seed_, "Of all random choices, in place of the file's");
    // Its own description would be part of the help.
    command->add_option("--length", length_, "How much virtual time, in place of the file's: 90s, 20m, 1h")
        ->transform(
            CLI::AsNumberWithUnit(
                std::map<std::string, double>{{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}},
                CLI::AsNumberWithUnit::UNIT_REQUIRED, "TIME")
                .description(""))
        ->check([](const std::string& time) {
            return std::stod(time) > 0 ? std::string{} : "give a time above zero, as in 90s, 20m, 1h";
        })
        ->type_name("TIME");
    command->add_option("--pcapng", capture_file_, "Write what the links' ends see; -: to standard output");
    command->add_option("--capture", captured_, "Only this link; may be given again")
        ->allow_extra_args(false);
    command->add_option("--snap", snap_, "Keep so many bytes of each captured frame");
    command->add_flag("--without-commands", without_commands_, "Leave out what cannot be simulated of hosts");
    command->callback([this, &as_json, &status] { status = run(as_json); });
}

int SimulateCommand::run(bool as_json) const {
    const auto topology = load(file_, overrides());
    if (!topology) {
        for (const std::string& problem : topology.error()) fmt::print(stderr, "{}\n", problem);
        return wrong_usage;
    }
    const SimulationOptions how = options(*topology);
    if (const auto loop = find_switch_loop(*topology, Closed::now))
        fmt::print(stderr, "warning: {}\n", describe(*loop, *topology));
    std::optional<OutputFile> output;
    PcapngWriter::Sink capture;
    if (!capture_file_.empty()) {
        capture = [this, &output](std::span<const std::uint8_t> bytes) {
            if (!output) output.emplace(capture_file_);  // when it is known that there is something to write
            output->write(bytes);
        };
    }
    const SimulationResult result = simulate(*topology, how, std::move(capture));
    if (output) output->close();
    std::FILE* to = capture_file_ == "-" ? stderr : stdout;
    if (as_json) {
        fmt::print(to, "{}\n", report_simulation(*topology, result).dump(2));
    } else {
        fmt::print(to, "{}", render_simulation(*topology, result, ::isatty(::fileno(to)) == 1));
    }
    return 0;
}

Overrides SimulateCommand::overrides() const {
    Overrides result{.variables = {}, .name = {}, .seed = seed_};
    for (const std::string& variable : variables_) {
        const auto middle = variable.find('=');
        if (middle == std::string::npos || middle == 0)
            throw std::runtime_error(fmt::format("-v {}: it is VARIABLE=VALUE, as in clients=20", variable));
        result.variables[variable.substr(0, middle)] = variable.substr(middle + 1);
    }
    return result;
}

SimulationOptions SimulateCommand::options(const Topology& topology) const {
    constexpr double longest = 1e9;  // seconds, thirty years
    SimulationOptions options{.length = std::nullopt, .snap = snap_, .without_commands = without_commands_};
    if (length_ > 0) options.length = Duration{std::llround(std::min(length_, longest) * 1e9)};
    for (const std::string& name : captured_) {
        const auto link = std::ranges::find(topology.links, name, &Link::name);
        if (link == topology.links.end()) {
            std::vector<std::string> names;
            names.reserve(topology.links.size());
            for (const Link& one : topology.links) names.push_back(one.name);
            throw std::runtime_error(fmt::format("--capture {}: {} has no such link: its links are {}", name,
                                                 topology.file, fmt::join(names, ", ")));
        }
        options.captured.push_back(static_cast<LinkIndex>(link - topology.links.begin()));
    }
    return options;
}

}  // namespace weft::lab
