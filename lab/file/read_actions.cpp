#include "lab/file/read_actions.h"

#include <array>
#include <string_view>

#include <fmt/format.h>

#include "config/nearest.h"
#include "lab/file/resolve.h"

namespace weft::lab {

namespace {

using config::quoted;
using config::Section;

constexpr config::Schema settings_schema{"set", {}};

std::optional<Direction> read_direction(const Section& section) {
    const auto text = section.text("direction");
    if (!text) return std::nullopt;
    if (*text == "there") return Direction::there;
    if (*text == "back") return Direction::back;
    constexpr std::array<std::string_view, 2> directions{"there", "back"};
    section.problem(
        "direction", fmt::format("{} is not a direction", quoted(*text)),
        config::did_you_mean(*text, directions, "write \"there\" or \"back\", or remove it for both"));
    return std::nullopt;
}

std::vector<std::pair<std::string, std::string>> read_settings(const Section& section) {
    std::vector<std::pair<std::string, std::string>> settings;
    const auto table = section.table("set", settings_schema);
    if (!table) return settings;
    for (const std::string& key : table->keys()) {
        const auto value = table->scalar(key);
        if (!value) {
            table->problem(key, fmt::format("{} is no scalar", quoted(key)),
                           R"(write it as in set = { loss = "1%" })");
        } else if (check_setting(*table, key, *value)) {
            settings.emplace_back(key, *value);
        }
    }
    if (table->keys().empty())
        section.problem("set", "nothing is set", R"(write it as in set = { loss = "1%" })");
    return settings;
}

// The position of what is too much, and why.
bool refuse(const Section& section, std::string_view key, std::string_view what, std::string_view cure) {
    if (!section.has(key)) return false;
    section.report().add(section.at_key(key), what, cure);
    return true;
}

std::optional<Action> read_link_action(const Section& section, const Names& names) {
    const auto link =
        find_link(names, section.text("link").value_or(""), section.at("link"), section.report());
    const auto direction = read_direction(section);
    if (section.has("up") == section.has("set")) {
        section.report().add(
            section.at_key("link"),
            section.has("up") ? "a link that is switched and set at once" : "a link to which nothing happens",
            R"(add up = false, or set = { loss = "1%" })");
        return std::nullopt;
    }
    if (section.has("up")) {
        if (!link) return std::nullopt;
        return SwitchLink{.link = *link, .direction = direction, .up = section.boolean("up").value_or(true)};
    }
    auto settings = read_settings(section);
    if (!link) return std::nullopt;
    return SetLink{.link = *link, .direction = direction, .settings = std::move(settings)};
}

std::optional<Action> read_node_action(const Section& section, const Names& names, bool node_runs) {
    const auto node =
        find_node(names, section.text("node").value_or(""), section.at("node"), section.report());
    refuse(section, "direction", "a node has no direction", "remove it, or name a link");
    if (refuse(section, "set", "a node has no impairment", "name a link")) return std::nullopt;
    const bool runs = node_runs && section.has("run");
    if (section.has("up") == runs) {
        section.report().add(
            section.at_key("node"),
            runs ? "a node that is switched and runs a command at once" : "a node to which nothing happens",
            node_runs ? R"(add up = false, or run = "...")" : "add up = false");
        return std::nullopt;
    }
    if (!node) return std::nullopt;
    if (runs) return RunCommand{.node = *node, .command = section.text("run").value_or("")};
    return SwitchNode{.node = *node, .up = section.boolean("up").value_or(true)};
}

}  // namespace

bool has_action(const Section& section) noexcept {
    return section.has("link") || section.has("node");
}

std::optional<Action> read_action(const Section& section, const Names& names, bool node_runs) {
    if (section.has("link") && section.has("node")) {
        section.report().add(section.at_key("node"), "an action on a link and on a node", "divide it in two");
        return std::nullopt;
    }
    if (section.has("link")) return read_link_action(section, names);
    if (section.has("node")) return read_node_action(section, names, node_runs);
    for (const std::string_view key : {"up", "set", "direction"})
        refuse(section, key, fmt::format("'{}' of nothing", key), R"(add link = "h1--s1")");
    return std::nullopt;
}

}  // namespace weft::lab
