// The command `weft-lab`, which `weft lab` becomes: networks of hosts, switches, routers, sites and links on
// one machine.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/version.h"
#include "lab/capture_client.h"
#include "lab/commands.h"
#include "lab/exec.h"
#include "lab/file/lab_schema.h"
#include "lab/file/topology_file.h"
#include "lab/script.h"
#include "lab/simulation/simulate_command.h"
#include "lab/top.h"

namespace weft::lab {

namespace {

constexpr int failed = 1;
constexpr int wrong_usage = 2;

constexpr auto footer =
    "Examples:\n"
    "  weft lab up office.toml                 as any user; with root only for interfaces of the machine\n"
    "  weft lab exec client ping -c 3 server\n"
    "  weft lab set wan delay=80ms loss=0.01   now, both directions\n"
    "  weft lab set wan up=false --direction there\n"
    "  weft lab down\n"
    "\n"
    "Commands that are about a running lab take the only one, or the one that --name or WEFT_LAB names.\n"
    "\n"
    "Exit status: 0 it worked, 1 it failed, 2 wrong usage or file; of exec and shell: the program's.\n";

constexpr auto up_footer =
    "Reads FILE and makes the network that it describes: a network namespace for each host and site, a "
    "device\n"
    "for each end of a link, switches, routers and links in one process. Returns when all of it is there, "
    "with\n"
    "the sites' weftd answering and the hosts' commands started. The lab goes on until weft lab down.\n"
    "\n"
    "Without root it runs in a user namespace, in which the user is root. Nothing of it is seen outside, "
    "and\n"
    "when its process ends, be it by kill -9, nothing of it is left but the folder with its logs.\n"
    "\n"
    "  weft lab up office.toml -v clients=20 --name test\n"
    "  weft lab up office.toml --foreground    until Ctrl-C\n";

constexpr auto exec_footer =
    "Runs a program in the network namespace of a host or site, among the lab's processes, as the lab's "
    "root.\n"
    "Everything after NODE is the program's. Terminal, folder and environment are the caller's; /etc/hosts\n"
    "has the lab's names, /sys the node's interfaces. In a site, weft asks the site's weftd.\n"
    "\n"
    "  weft lab exec client iperf3 -c server\n"
    "  weft lab exec office-a weft peers\n";

constexpr auto set_footer =
    "Changes a link, or all links of a node, now. KEY=VALUE are the keys of [link.impair]; what is not "
    "named\n"
    "stays as it is. up=false cuts, up=true restores. What is under way arrives as it would have,\n"
    "but for a cut, which loses it. A link that is cut both ways takes the carrier of its ends away\n"
    "(NO-CARRIER); one way alone fails in silence.\n"
    "\n"
    "  weft lab set wan delay=80ms jitter=10ms\n"
    "  weft lab set wan loss=0.02 --direction there   from the link's first end to its second\n"
    "  weft lab set server up=false                   all of its links\n";

constexpr auto run_footer =
    "For tests: makes the lab, does the [[step]]s of the file one after the other, and takes it down, "
    "whatever\n"
    "comes of them. Each step is told as it ends; one that is not as expected ends the run, with its "
    "command, its\n"
    "output and what was expected. Exits with 0 if all are, else with 1. Ctrl-C takes the lab down, too.\n";

constexpr auto capture_footer =
    "Writes what enters the links, each direction an interface of its own with the link's name, as it "
    "happens,\n"
    "until Ctrl-C or the lab's end. Frames that the link loses afterwards are there, too.\n"
    "\n"
    "  weft lab capture wan | wireshark -k -i -\n"
    "  weft lab capture wan server -w lab.pcapng\n";

constexpr auto top_footer =
    "Prints a line for each direction of a link, the busiest first: what arrived in the last interval, what "
    "was\n"
    "lost, what waits behind the rate, and what is done to packets. On a terminal until q or Ctrl-C; "
    "elsewhere a\n"
    "table follows another.\n";

constexpr auto graph_footer =
    "Prints SVG, or DOT, of a file, or of the lab that runs: then each link has its figures of the next "
    "second.\n"
    "\n"
    "  weft lab graph > office.svg\n"
    "  weft lab graph office.toml --dot | dot -Tpdf > office.pdf\n";

constexpr auto clean_footer =
    "A lab that was killed leaves its folder with its logs, and nothing else: this removes it. Labs that run "
    "are\n"
    "left alone, and named. Exits with 0 if nothing is left.\n";

// Everything that follows the node is another program's, whatever it looks like.
struct Tail {
    std::vector<std::string> words;  // of ours
    std::vector<std::string> command;
};

Tail cut_tail(int argc, char** argv) {
    const std::vector<std::string> given(argv + 1, argv + argc);
    const auto takes_value = [](const std::string& word) { return word == "--name" || word == "-n"; };
    bool is_exec = false;
    for (std::size_t i = 0; i < given.size(); ++i) {
        if (takes_value(given[i])) {
            ++i;
        } else if (!given[i].starts_with('-')) {
            if (is_exec) {
                const auto split = given.begin() + static_cast<std::ptrdiff_t>(i) + 1;
                return {{given.begin(), split}, {split, given.end()}};
            }
            if (given[i] != "exec") break;
            is_exec = true;
        }
    }
    return {given, {}};
}

class CommandLine {
  public:
    explicit CommandLine(std::vector<std::string> command) : command_(std::move(command)) {
        app_.set_version_flag("--version", fmt::format("weft-lab {}", version), "Print the version and exit");
        app_.footer(footer);
        app_.require_subcommand(0, 1);
        app_.fallthrough();
        app_.add_option("-n,--name", name_, "Name of the lab (default of up: the file's)");
        app_.add_flag("--json", as_json_, "Print the result as JSON, for programs");
        add_up();
        add_run();
        simulate_.emplace(app_, as_json_, status_);
        auto* down = add("down", "end a lab", "Returns when nothing of it is left.\n", [this] {
            return all_ ? down_all() : lab::down(choose_lab(target_.empty() ? name_ : target_));
        });
        down->add_option("NAME", target_, "The lab (default: the only one)");
        down->add_flag("--all", all_, "All labs of this user");
        add("list", "labs that run", "", [this] { return list(as_json_); });
        add("status", "a lab's nodes and links",
            "Prints a line for each interface of a node, and one for each direction of a link: packets and "
            "bytes that\narrived at its other end, packets that were lost on it, for whatever reason, and "
            "what is "
            "done to them.\n",
            [this] { return status(choose_lab(name_), as_json_); });
        add("exec", "run a program in a node", exec_footer,
            [this]() -> int {
                if (command_.empty()) throw std::runtime_error("exec NODE COMMAND: the command is missing");
                exec_in_node(choose_lab(name_), target_, command_);
            })
            ->add_option("NODE", target_, "Host or site, and then the program with its arguments")
            ->required();
        add("shell", "a shell in a node", "$SHELL, or /bin/sh.\n",
            [this]() -> int {
                const auto* shell = std::getenv("SHELL");  // NOLINT(concurrency-mt-unsafe)
                const std::string program = shell != nullptr && *shell != '\0' ? shell : "/bin/sh";
                exec_in_node(choose_lab(name_), target_, {program});
            })
            ->add_option("NODE", target_, "Host or site")
            ->required();
        add_set();
        add_capture();
        add_top();
        add_graph();
        add("schema", "the JSON Schema of a lab's file, for editors", "", [] {
            fmt::print("{}", json_schema());
            return 0;
        });
        add("clean", "remove what labs that are gone have left", clean_footer,
            [this] { return clean_up(as_json_); });
        add("event", "the events of the file; or one of them, now",
            "Without a number: which there are. With one: it happens now, whatever its time is.\n",
            [this] { return event(choose_lab(name_), number_, as_json_); })
            ->add_option("NUMBER", number_, "Of the event, as in the list");
    }

    int run(std::vector<std::string> words) {
        std::ranges::reverse(words);  // as CLI11 wants them
        try {
            app_.parse(std::move(words));
            if (app_.get_subcommands().empty()) throw CLI::RequiredError("A command");
        } catch (const CLI::ParseError& error) {
            // CLI11's exit codes are many, ours is one; help and version are no errors.
            return app_.exit(error) == 0 ? 0 : wrong_usage;
        }
        return status_;
    }

  private:
    template <class Command>
    CLI::App* add(const char* name, const char* summary, const char* details, Command command) {
        auto* subcommand = app_.add_subcommand(name, summary);
        subcommand->footer(details);
        subcommand->callback([this, command] { status_ = command(); });
        return subcommand;
    }

    void add_up() {
        auto* up = add("up", "make the network that a file describes", up_footer, [this] {
            return with_topology([this](const Topology& topology) {
                return lab::up(topology, {.rootless = rootless_, .foreground = foreground_});
            });
        });
        add_file_options(*up);
        up->add_flag("--foreground", foreground_, "Stay, and take the lab down at Ctrl-C");
    }

    void add_capture() {
        auto* command = add("capture", "what passes links, as pcapng", capture_footer,
                            [this] { return capture(choose_lab(name_), targets_, output_); });
        command->add_option("LINK|NODE", targets_, "Which links, or all of a node (default: all of the lab)");
        command->add_option("-w,--write", output_, "File, or - (default: -)")->type_name("FILE");
    }

    void add_top() {
        auto* command = add("top", "links with what passes them, live", top_footer,
                            [this] { return lab::top(choose_lab(name_), top_); });
        command->add_flag("--once", top_.once, "One table, of the next interval, and the end");
        command->add_option("--interval", top_.interval_s, "Seconds between two tables (default: 1)")
            ->check(CLI::Range(0.1, 3600.0));
        command->add_option("--limit", top_.limit, "Print at most so many lines")->type_name("N");
    }

    void add_graph() {
        auto* command = add("graph", "a picture of a lab", graph_footer, [this] {
            if (file_.empty()) return lab::graph(choose_lab(name_), as_dot_);
            return with_topology([this](const Topology& topology) { return lab::graph(topology, as_dot_); });
        });
        command->add_option("FILE", file_, "A lab (TOML); default: the one that runs");
        add_overrides(*command);
        command->add_flag("--dot", as_dot_, "DOT, for graphviz, in place of SVG");
    }

    void add_run() {
        auto* command = add("run", "make a lab, do the steps of its file, take it down", run_footer, [this] {
            return with_topology([this](const Topology& topology) {
                return run_script(topology, {.rootless = rootless_, .verbose = verbose_});
            });
        });
        add_file_options(*command);
        command->add_flag("--verbose", verbose_, "Print also the output of steps that pass");
    }

    // Of the commands that make a lab.
    void add_file_options(CLI::App& command) {
        command.add_option("FILE", file_, "The lab (TOML)")->required();
        add_overrides(command);
        command.add_flag("--rootless", rootless_, "In a user namespace, also as root");
    }

    void add_overrides(CLI::App& command) {
        command.add_option("-v,--variable", variables_, "VARIABLE=VALUE, in place of the file's")
            ->allow_extra_args(false);
        command.add_option("--seed", seed_, "Of all random choices, in place of the file's");
    }

    void add_set() {
        auto* set = add("set", "change a link or a node's links, now", set_footer,
                        [this] { return lab::set(choose_lab(name_), target_, direction_, settings_); });
        set->add_option("LINK|NODE", target_, "Which")->required();
        set->add_option("KEY=VALUE", settings_, "What")->required();
        set->add_option("--direction", direction_,
                        "Of a link: there, from its first end, or back (default: both)")
            ->check(CLI::IsMember({"there", "back"}));
    }

    [[nodiscard]] Overrides overrides() const {
        Overrides result{.variables = {}, .name = {}, .seed = seed_};
        if (!name_.empty()) result.name = name_;
        for (const std::string& variable : variables_) {
            const auto middle = variable.find('=');
            if (middle == std::string::npos || middle == 0) {
                throw std::runtime_error(
                    fmt::format("-v {}: it is VARIABLE=VALUE, as in clients=20", variable));
            }
            result.variables[variable.substr(0, middle)] = variable.substr(middle + 1);
        }
        return result;
    }

    // What is wrong with the file is told here.
    template <class Command>
    int with_topology(Command command) {
        auto loaded = load(file_, overrides());
        if (!loaded) {
            for (const auto& problem : loaded.error()) fmt::print(stderr, "{}\n", problem);
            return wrong_usage;
        }
        return command(*loaded);
    }

    CLI::App app_{
        "Emulates networks on this machine: hosts, switches, routers, weft sites, and links that are as "
        "bad as you like.",
        "weft lab"};
    std::vector<std::string> command_;
    std::string name_;
    bool as_json_ = false;
    std::string file_;
    std::vector<std::string> variables_;
    std::optional<std::uint64_t> seed_;
    bool rootless_ = false;
    bool foreground_ = false;
    bool verbose_ = false;
    std::vector<std::string> targets_;
    std::string output_ = "-";
    TopOptions top_;
    bool as_dot_ = false;
    std::string target_;
    bool all_ = false;
    std::vector<std::string> settings_;
    std::string direction_;
    std::optional<unsigned> number_;
    int status_ = 0;
    std::optional<SimulateCommand> simulate_;
};

int run(int argc, char** argv) {
    Tail tail = cut_tail(argc, argv);
    CommandLine line(std::move(tail.command));
    return line.run(std::move(tail.words));
}

}  // namespace

}  // namespace weft::lab

int main(int argc, char** argv) {
    try {
        return weft::lab::run(argc, argv);
    } catch (const std::exception& failure) {
        fmt::print(stderr, "weft lab: {}\n", failure.what());
        return weft::lab::failed;
    }
}
