#include "lab/lab_control.h"

#include <chrono>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lab/apply_action.h"
#include "lab/lab_report.h"

namespace weft::lab {

using nlohmann::json;

namespace {

constexpr mode_t only_ours = 0600;

template <class Value>
Value parameter(const json& params, const char* key) {
    if (!params.is_object() || !params.contains(key))
        throw InvalidParams(fmt::format("the parameter '{}' is missing", key));
    try {
        return params.at(key).get<Value>();
    } catch (const json::exception&) {
        throw InvalidParams(fmt::format("the parameter '{}' is of another type", key));
    }
}

std::optional<Direction> direction_of(const json& params) {
    if (!params.contains("direction")) return std::nullopt;
    const auto text = parameter<std::string>(params, "direction");
    if (text == "there") return Direction::there;
    if (text == "back") return Direction::back;
    throw InvalidParams(fmt::format("direction '{}': it is there or back", text));
}

// That has a namespace.
NodeIndex node_of(const Topology& topology, const std::string& name) {
    const auto node = find_node(topology, name);
    if (!node) throw_unknown(topology, name);
    const auto& kind = topology.nodes[*node].kind;
    if (!std::holds_alternative<Host>(kind) && !std::holds_alternative<Site>(kind)) {
        throw std::runtime_error(fmt::format("{} is a {}: programs run in hosts and sites alone", name,
                                             kind_of(topology.nodes[*node])));
    }
    return *node;
}

json event_json(const TimedEvent& event, const Topology& topology) {
    const auto seconds = [](Duration duration) { return std::chrono::duration<double>{duration}.count(); };
    json result{{"at_s", seconds(event.at)}, {"what", describe(event.action, topology)}};
    if (event.repeat) result["repeat_s"] = seconds(*event.repeat);
    return result;
}

}  // namespace

LabControl::LabControl(Runner& runner, std::function<void()> down)
    : runner_(runner),
      down_(std::move(down)),
      ending_(runner.loop(), [this] { down_(); }),
      server_(runner.loop(), runner.options().folder + "/" + control_socket, only_ours) {
    server_.add_method("status", [this](const json&, const Reply& reply) { reply.result(report(runner_)); });
    // The answer goes first.
    server_.add_method("down", [this](const json&, const Reply& reply) {
        reply.result(json::object());
        ending_.start(std::chrono::milliseconds{1});
    });
    server_.add_method("set", [this](const json& params, const Reply& reply) {
        Settings settings;
        for (const auto& pair :
             parameter<std::vector<std::pair<std::string, std::string>>>(params, "settings"))
            settings.push_back(pair);
        const auto actions = actions_of(runner_.topology(), parameter<std::string>(params, "target"),
                                        direction_of(params), settings);
        for (const Action& action : actions) runner_.act(action);
        reply.result(json::object());
    });
    add_events();
    add_programs();
}

void LabControl::add_events() {
    server_.add_method("events", [this](const json&, const Reply& reply) {
        json events = json::array();
        for (const TimedEvent& event : runner_.topology().events)
            events.push_back(event_json(event, runner_.topology()));
        reply.result({{"events", events}});
    });
    server_.add_method("event", [this](const json& params, const Reply& reply) {
        const auto& events = runner_.topology().events;
        const auto number = parameter<std::size_t>(params, "number");
        if (number < 1 || number > events.size()) {
            throw std::runtime_error(
                fmt::format("there is no event {}: the file has {} of them", number, events.size()));
        }
        runner_.act(events[number - 1].action);
        reply.result(event_json(events[number - 1], runner_.topology()));
    });
    server_.add_method("step", [this](const json& params, const Reply& reply) {
        const auto& action = runner_.topology().script.at(parameter<std::size_t>(params, "number")).action;
        if (action) runner_.act(*action);
        reply.result(json::object());
    });
}

void LabControl::add_programs() {
    server_.add_method("node", [this](const json& params, const Reply& reply) {
        const auto node = node_of(runner_.topology(), parameter<std::string>(params, "name"));
        reply.result({{"environment", runner_.environment(node)}});
    });
    server_.add_method("run", [this](const json& params, const Reply& reply) {
        const auto node = node_of(runner_.topology(), parameter<std::string>(params, "node"));
        const std::chrono::duration<double> within{parameter<double>(params, "within_s")};
        const auto ended = [client = reply.client()](const ProgramEnd& end) {
            static_cast<void>(client.notify(
                "ended", {{"status", end.status}, {"timed_out", end.timed_out}, {"output", end.output}}));
        };
        runner_.processes().run(runner_.shell(node, parameter<std::string>(params, "command")),
                                std::chrono::duration_cast<Duration>(within), ended);
        reply.result(json::object());
    });
    server_.add_method("start", [this](const json& params, const Reply& reply) {
        const auto node = node_of(runner_.topology(), parameter<std::string>(params, "node"));
        const pid_t pid = runner_.processes().start(
            runner_.shell(node, parameter<std::string>(params, "command")), runner_.log_of(node));
        reply.result({{"pid", pid}});
    });
    server_.add_method("end", [this](const json& params, const Reply& reply) {
        runner_.processes().kill_group(parameter<pid_t>(params, "pid"));
        reply.result(json::object());
    });
}

}  // namespace weft::lab
