#include "lab/commands.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "cli/human.h"
#include "cli/table.h"
#include "lab/clean.h"
#include "lab/graph/graph.h"
#include "lab/graph/graph_live.h"
#include "lab/lab_control.h"
#include "lab/lab_report.h"
#include "lab/launch.h"
#include "lab/state_folder.h"
#include "lab/status_view.h"

namespace weft::lab {

using nlohmann::json;

namespace {

constexpr int failed = 1;

bool color_wanted() {
    const auto* no_color = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe)
    return ::isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0');
}

std::vector<std::string> running_labs() {
    std::vector<std::string> names;
    for (const std::string& name : known_labs()) {
        if (is_running(name)) names.push_back(name);
    }
    return names;
}

std::string that_runs(std::string lab) {
    if (is_running(lab)) return lab;
    throw std::runtime_error(fmt::format("no lab called {} runs: weft lab list tells which ones do", lab));
}

json ask(const std::string& lab, const char* method, const json& params = json::object()) {
    Client client{state_folder(lab) + "/" + control_socket};
    return client.call(method, params);
}

int finish_output() {
    if (std::fflush(stdout) == 0) return 0;
    fmt::print(stderr, "weft lab: cannot write to standard output\n");
    return failed;
}

// A line that is written over, on a terminal; what is quick is not worth showing.
class ProgressLine {
  public:
    void operator()(const std::string& what) {
        using std::chrono::steady_clock;
        if (::isatty(STDERR_FILENO) == 0 || steady_clock::now() - began_ < std::chrono::milliseconds{300})
            return;
        constexpr std::size_t widest = 78;
        fmt::print(stderr, "\r\033[K{}", what.substr(0, widest));
        std::fflush(stderr);
        shown_ = true;
    }

    void clear() {
        if (shown_) fmt::print(stderr, "\r\033[K");
        shown_ = false;
    }

  private:
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    bool shown_ = false;
};

}  // namespace

std::string choose_lab(const std::string& given) {
    if (!given.empty()) return that_runs(given);
    const auto* named = std::getenv("WEFT_LAB");  // NOLINT(concurrency-mt-unsafe)
    if (named != nullptr && *named != '\0') return that_runs(named);
    const auto labs = running_labs();
    if (labs.size() == 1) return labs.front();
    if (labs.empty()) throw std::runtime_error("no lab runs: weft lab up FILE starts one");
    throw std::runtime_error(
        fmt::format("several labs run: choose one by --name or WEFT_LAB: {}", fmt::join(labs, " ")));
}

int up(const Topology& topology, const UpOptions& options) {
    const InterruptWatch watch;
    ProgressLine progress;
    const auto began = std::chrono::steady_clock::now();
    try {
        auto lab = Launched::up(watch, topology,
                                {.rootless = options.rootless,
                                 .stays = options.foreground,
                                 .progress = [&](const std::string& what) { progress(what); }});
        progress.clear();
        for (const std::string& warning : lab.warnings()) fmt::print(stderr, "warning: {}\n", warning);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
        fmt::print("lab {} is up: {}, in {:.1f} s\n", topology.name, size_of(topology), took.count());
        std::fflush(stdout);
        if (!options.foreground) return finish_output();
        try {
            lab.wait(watch);
        } catch (const Interrupted&) {
            lab.down();
            fmt::print("lab {} is down\n", topology.name);
            return finish_output();
        }
        lab.down();
        return finish_output();
    } catch (...) {
        progress.clear();
        throw;
    }
}

int down(const std::string& lab) {
    take_down(lab);
    fmt::print("lab {} is down\n", lab);
    return finish_output();
}

int down_all() {
    for (const std::string& lab : running_labs()) down(lab);
    return finish_output();
}

int list(bool as_json) {
    json labs = json::array();
    Table table({{"LAB"}, {"FILE"}, {"NODES", Table::Align::right}, {"LINKS", Table::Align::right}, {"UP"}});
    for (const std::string& lab : running_labs()) {
        try {
            const json report = ask(lab, "status");
            const auto uptime = report.at("uptime_s").get<double>();
            labs.push_back({{"lab", lab},
                            {"file", report.at("file")},
                            {"nodes", report.at("nodes").size()},
                            {"links", report.at("links").size()},
                            {"uptime_s", uptime}});
            table.add({lab, report.at("file").get<std::string>(), std::to_string(report.at("nodes").size()),
                       std::to_string(report.at("links").size()), human_duration(uptime)});
        } catch (const std::exception&) {
            labs.push_back({{"lab", lab}});
            const std::string none;
            table.add({lab, none, none, none, {"does not answer", Table::Tone::bad}});
        }
    }
    fmt::print("{}", as_json        ? labs.dump(2) + "\n"
                     : labs.empty() ? std::string{"no lab runs\n"}
                                    : table.to_string(color_wanted()));
    return finish_output();
}

int clean_up(bool as_json) {
    const Cleaning cleaning = clean();
    for (const std::string& problem : cleaning.problems) fmt::print(stderr, "weft lab: {}\n", problem);
    if (as_json) {
        const json answer{
            {"done", cleaning.done}, {"running", cleaning.running}, {"problems", cleaning.problems}};
        fmt::print("{}\n", answer.dump(2));
    } else {
        for (const std::string& done : cleaning.done) fmt::print("{}\n", done);
        if (cleaning.done.empty() && cleaning.problems.empty()) fmt::print("nothing was left behind\n");
        if (!cleaning.running.empty()) fmt::print("labs that run: {}\n", fmt::join(cleaning.running, " "));
    }
    const int status = finish_output();
    return cleaning.problems.empty() ? status : failed;
}

int status(const std::string& lab, bool as_json) {
    const json report = ask(lab, "status");
    fmt::print("{}", as_json ? report.dump(2) + "\n" : render_status(report, color_wanted()));
    return finish_output();
}

int set(const std::string& lab, const std::string& target, const std::string& direction,
        const std::vector<std::string>& settings) {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const std::string& setting : settings) {
        const auto middle = setting.find('=');
        if (middle == std::string::npos || middle == 0) {
            throw std::runtime_error(
                fmt::format("'{}' is no KEY=VALUE: write delay=20ms, loss=0.01, up=false", setting));
        }
        pairs.emplace_back(setting.substr(0, middle), setting.substr(middle + 1));
    }
    json params{{"target", target}, {"settings", pairs}};
    if (!direction.empty()) params["direction"] = direction;
    ask(lab, "set", params);
    return 0;
}

int graph(const std::string& lab, bool as_dot) {
    const json before = ask(lab, "status");
    std::this_thread::sleep_for(std::chrono::seconds{1});
    const json now = ask(lab, "status");
    const Topology topology = topology_of(now);
    const LinkFigures figures = figures_of(before, now);
    fmt::print("{}", as_dot ? to_dot(topology, figures) : to_svg(topology, figures));
    return finish_output();
}

int graph(const Topology& topology, bool as_dot) {
    fmt::print("{}", as_dot ? to_dot(topology) : to_svg(topology));
    return finish_output();
}

int event(const std::string& lab, std::optional<unsigned> number, bool as_json) {
    if (number) {
        const json done = ask(lab, "event", {{"number", *number}});
        fmt::print("{}\n", as_json ? done.dump(2) : done.at("what").get<std::string>());
        return finish_output();
    }
    const json events = ask(lab, "events").at("events");
    if (as_json) {
        fmt::print("{}\n", events.dump(2));
        return finish_output();
    }
    Table table({{"EVENT", Table::Align::right}, {"AT"}, {"AGAIN EVERY"}, {"WHAT"}});
    for (std::size_t i = 0; i < events.size(); ++i) {
        const json& one = events[i];
        table.add({std::to_string(i + 1), fmt::format("{:g}s", one.at("at_s").get<double>()),
                   one.contains("repeat_s") ? fmt::format("{:g}s", one.at("repeat_s").get<double>()) : "",
                   one.at("what").get<std::string>()});
    }
    fmt::print("{}", events.empty() ? std::string{"the lab's file has no events\n"}
                                    : table.to_string(color_wanted()));
    return finish_output();
}

}  // namespace weft::lab
