// [[event]], [[step]] and [[traffic]].
#include <array>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>

#include "config/fields.h"
#include "config/nearest.h"
#include "lab/file/draft.h"
#include "lab/file/lab_fields.h"
#include "lab/file/lab_schema.h"
#include "lab/file/read_actions.h"
#include "lab/file/resolve.h"

namespace weft::lab {

namespace {

using config::Section;

constexpr std::string_view no_command = "the command is empty";

std::optional<std::string> read_command(const Section& section) {
    const auto command = section.text("run");
    if (command && (command->find_first_not_of(" \t\n") == std::string::npos ||
                    command->find('\0') != std::string::npos)) {
        section.problem("run", no_command, R"(write a shell command, as in run = "ping -c 3 h2")");
    }
    return command;
}

void needs_command(const Section& section, std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) {
        if (!section.has(key)) continue;
        section.report().add(section.at_key(key), fmt::format("'{}' without a command", key),
                             R"(add on = "h1" and run = "...", or remove it)");
    }
}

void read_expectation(const Section& section, Step::Expectation& expect) {
    expect.status = static_cast<int>(read_whole_number(section, "status", 0, 255).value_or(0));
    expect.output = section.text("expect");
    expect.pointer = section.text("value");
    expect.at_least = section.number("at_least");
    expect.at_most = section.number("at_most");
    if (expect.pointer && !expect.pointer->empty() && !expect.pointer->starts_with('/')) {
        section.problem("value", fmt::format("{} is not a JSON pointer", config::quoted(*expect.pointer)),
                        R"(write it as in "/end/sum_received/bits_per_second")");
    }
    if (!section.has("value")) {
        for (const std::string_view key : {"at_least", "at_most"}) {
            if (!section.has(key)) continue;
            section.report().add(section.at_key(key), fmt::format("'{}' without 'value'", key),
                                 R"(add value = "/end/sum_received/bits_per_second")");
        }
    } else if (!section.has("at_least") && !section.has("at_most")) {
        section.report().add(section.at_key("value"), "'value' without a bound", "add at_least or at_most");
    }
    if (expect.at_least && expect.at_most && *expect.at_least > *expect.at_most) {
        section.problem(
            "at_most",
            fmt::format("'at_most' is {}, less than at_least = {}", *expect.at_most, *expect.at_least),
            "swap them");
    }
}

// A step's own action is a command at `on`; or one on a link or a node, as an event's.
std::optional<Action> read_step_action(const Section& section, const Names& names, Step& step) {
    const auto command = read_command(section);
    if (has_action(section) && (section.has("on") || section.has("run"))) {
        section.report().add(section.at_key(section.has("run") ? "run" : "on"), "a step with two actions",
                             "divide it in two");
        return std::nullopt;
    }
    if (section.has("on") != section.has("run")) {
        section.report().add(
            section.at(),
            section.has("on") ? "a step on a node without a command" : "a command without a node",
            section.has("on") ? R"(add run = "ping -c 3 h2")" : R"(add on = "h1")");
        return std::nullopt;
    }
    if (!command) {
        needs_command(section, {"status", "expect", "value", "within", "retry", "background"});
        return read_action(section, names, false);
    }
    read_expectation(section, step.expect);
    const auto node = find_node(names, section.text("on").value_or(""), section.at("on"), section.report());
    if (!node) return std::nullopt;
    return RunCommand{.node = *node, .command = *command};
}

std::string default_name(const Section& section, const Step& step) {
    if (const auto command = section.text("run"))
        return fmt::format("{}: {}", section.text("on").value_or(""), *command);
    std::string name;
    if (step.wait) name = fmt::format("wait {}", section.text("wait").value_or(""));
    for (const std::string_view key : {"link", "node"}) {
        const auto target = section.text(key);
        if (!target) continue;
        name += fmt::format("{}{}", name.empty() ? "" : ", ", *target);
        if (const auto direction = section.text("direction")) name += " " + *direction;
        if (const auto up = section.boolean("up")) name += *up ? " up" : " down";
    }
    if (step.action) {
        if (const auto* set = std::get_if<SetLink>(&*step.action)) {
            for (const auto& [key, value] : set->settings) name += fmt::format(" {}={}", key, value);
        }
    }
    return name;
}

std::optional<Traffic::Kind> read_kind(const Section& section) {
    constexpr std::array<std::string_view, 5> kinds{"ping", "constant", "poisson", "tcp", "replay"};
    const auto text = section.text("kind");
    if (!text) return std::nullopt;
    for (std::size_t i = 0; i < kinds.size(); ++i) {
        if (*text == kinds[i]) return static_cast<Traffic::Kind>(i);
    }
    section.problem("kind", fmt::format("{} is not a kind of traffic", config::quoted(*text)),
                    config::did_you_mean(*text, kinds, "use ping, constant, poisson, tcp or replay"));
    return std::nullopt;
}

std::optional<NodeIndex> read_host(const Section& section, std::string_view key, const Names& names,
                                   const Topology& topology) {
    const auto name = section.text(key);
    if (!name) return std::nullopt;
    const auto node = find_node(names, *name, section.at(key), section.report());
    if (!node) return node;
    const auto& kind = topology.nodes[*node].kind;
    if (std::holds_alternative<Host>(kind) || std::holds_alternative<Site>(kind)) return node;
    section.problem(key, fmt::format("{} is neither a host nor a site", config::quoted(*name)),
                    "name a [[host]] or [[site]]: nobody else sends or receives in a simulation");
    return std::nullopt;
}

// A ping's is packets a second, a stream's bits a second.
void read_rate(const Section& section, Traffic& traffic) {
    if (traffic.kind == Traffic::Kind::ping) {
        const auto rate = section.number("rate");
        if (rate && *rate > 0 && *rate <= 1e6) traffic.rate = *rate;
        if (section.has("rate") && (!rate || *rate <= 0 || *rate > 1e6))
            section.problem("rate", "not a number of pings a second", "write rate = 10");
    } else if (traffic.kind == Traffic::Kind::constant || traffic.kind == Traffic::Kind::poisson) {
        traffic.rate = read_bit_rate(section, "rate").value_or(1e6);
    } else if (section.has("rate")) {
        section.report().add(section.at_key("rate"), "neither tcp nor a replay has a rate of its own",
                             "remove it; the link's rate is what tcp finds");
    }
}

void read_traffic_size(const Section& section, Traffic& traffic) {
    constexpr std::uint32_t largest = 9000;
    if (traffic.kind == Traffic::Kind::tcp) traffic.size = 1448;
    if (traffic.kind == Traffic::Kind::constant || traffic.kind == Traffic::Kind::poisson)
        traffic.size = 1000;
    traffic.size = read_whole_number(section, "size", 8, largest).value_or(traffic.size);
}

}  // namespace

void read_events(Unfolder& unfolder, const Names& names, Topology& topology) {
    unfolder.each("event", event_schema, [&](const Section& section) {
        section.check();
        TimedEvent event;
        event.at = read_time(section, "at").value_or(Duration{0});
        event.repeat = read_time(section, "repeat");
        if (event.repeat && *event.repeat <= Duration{0})
            section.problem("repeat", "'repeat' is 0", R"(write it as in repeat = "10s")");
        read_command(section);
        if (!has_action(section)) {
            section.report().add(section.at(), "an event that happens to nothing",
                                 R"(add link = "h1--s1" or node = "h1")");
            return;
        }
        if (section.has("link") && section.has("run")) {
            section.report().add(section.at_key("run"), "a command on a link", R"(add node = "h1" instead)");
            return;
        }
        if (auto action = read_action(section, names, true)) {
            event.action = std::move(*action);
            topology.events.push_back(std::move(event));
        }
    });
}

void read_steps(Unfolder& unfolder, const Names& names, Topology& topology) {
    unfolder.each("step", step_schema, [&](const Section& section) {
        section.check();
        Step step;
        step.line = section.at().line;
        step.wait = read_time(section, "wait");
        step.action = read_step_action(section, names, step);
        step.background = section.boolean("background").value_or(false);
        step.within = read_time(section, "within").value_or(step.within);
        step.retry = section.boolean("retry").value_or(false);
        if (!section.has("wait") && !section.has("on") && !section.has("run") && !has_action(section)) {
            section.report().add(section.at(), "a step that does nothing",
                                 R"(add on = "h1" and run = "...", or wait = "5s")");
        }
        if (step.background && step.retry) {
            section.report().add(section.at_key("retry"), "a command in the background is not tried again",
                                 "remove 'retry' or 'background'");
        }
        step.name = section.text("name").value_or(default_name(section, step));
        topology.script.push_back(std::move(step));
    });
}

void read_traffic(Unfolder& unfolder, const Names& names, Topology& topology) {
    unfolder.each("traffic", traffic_schema, [&](const Section& section) {
        section.check();
        Traffic traffic;
        const auto kind = read_kind(section);
        traffic.kind = kind.value_or(Traffic::Kind::ping);
        const auto from = read_host(section, "from", names, topology);
        const auto to = read_host(section, "to", names, topology);
        traffic.name = section.has("name")
                           ? config::read_name(section)
                           : fmt::format("{} {} {}", section.text("kind").value_or(""),
                                         section.text("from").value_or(""), section.text("to").value_or(""));
        traffic.start = read_time(section, "start").value_or(Duration{0});
        traffic.stop = read_time(section, "stop");
        if (traffic.stop && *traffic.stop <= traffic.start)
            section.problem("stop", "it stops before it starts", "write a later 'stop', or remove it");
        if (kind) {
            read_rate(section, traffic);
            read_traffic_size(section, traffic);
        }
        if (section.has("file")) traffic.file = config::read_path(section, "file").value_or("");
        if (kind && (*kind == Traffic::Kind::replay) != section.has("file")) {
            section.report().add(section.has("file") ? section.at_key("file") : section.at(),
                                 section.has("file") ? "only a replay has a file" : "a replay of nothing",
                                 section.has("file") ? R"(remove it, or write kind = "replay")"
                                                     : R"(add file = "calls.pcap")");
        }
        if (!from || !to) return;
        traffic.from = *from;
        traffic.to = *to;
        topology.traffic.push_back(std::move(traffic));
    });
}

}  // namespace weft::lab
