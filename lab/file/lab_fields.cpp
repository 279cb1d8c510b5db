#include "lab/file/lab_fields.h"

#include <charconv>
#include <chrono>

#include <fmt/format.h>

#include "config/link_values.h"
#include "config/report.h"

namespace weft::lab {

namespace {

using config::quoted;
using config::Section;

constexpr config::Schema free_schema{"a table of names and values", {}};

void flatten_sysctl(const Section& section, const std::string& prefix,
                    std::map<std::string, std::string>& out) {
    constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/";
    for (const std::string& key : section.keys()) {
        const std::string name = prefix.empty() ? key : fmt::format("{}.{}", prefix, key);
        if (const auto inner = section.table(key, free_schema)) {
            flatten_sysctl(*inner, name, out);
            continue;
        }
        const auto value = section.scalar(key);
        if (!value) {
            section.problem(key, fmt::format("sysctl {} is no scalar", quoted(name)),
                            "write a number or a string");
        } else if (name.find_first_not_of(allowed) != std::string::npos ||
                   name.find("..") != std::string::npos || !name.starts_with("net")) {
            section.report().add(section.at_key(key),
                                 fmt::format("{} is not a setting of a network namespace", quoted(name)),
                                 R"(write one of net, as in "net.ipv4.ip_forward" = 1)");
        } else {
            out.emplace(name, *value);
        }
    }
}

}  // namespace

std::optional<std::uint32_t> read_whole_number(const Section& section, std::string_view key,
                                               std::uint32_t low, std::uint32_t high) {
    const auto text = section.scalar(key);
    if (!text || (!section.integer(key) && !section.text(key))) return std::nullopt;
    std::int64_t number = 0;
    const char* const end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(text->data(), end, number);
    if (error != std::errc{} || stop != end || number < low || number > high) {
        section.problem(key, fmt::format("'{}' is {}", key, section.text(key) ? quoted(*text) : *text),
                        fmt::format("use {} to {}", low, high));
        return std::nullopt;
    }
    return static_cast<std::uint32_t>(number);
}

std::optional<Duration> read_time(const Section& section, std::string_view key) {
    constexpr Duration longest = std::chrono::hours{24 * 365};
    const auto text = section.text(key);
    if (!text) return std::nullopt;
    const auto time = config::parse_precise_duration(*text, longest);
    if (time) return *time;
    section.problem(key, time.error().what, time.error().cure);
    return std::nullopt;
}

std::optional<double> read_bit_rate(const Section& section, std::string_view key) {
    const auto text = section.scalar(key);
    if (!text) return std::nullopt;
    const auto rate = config::parse_rate(*text);
    if (rate) return static_cast<double>(*rate);
    section.problem(key, rate.error().what, rate.error().cure);
    return std::nullopt;
}

std::vector<Prefix> read_addresses(const Section& section, std::string_view key) {
    const auto texts = section.scalars(key);
    std::vector<Prefix> addresses;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto address = config::parse_interface_address(texts[i]);
        if (!address) {
            section.report().add(section.at(key, i), address.error().what, address.error().cure);
        } else {
            addresses.push_back(*address);
        }
    }
    if (addresses.size() != texts.size()) return {};
    return addresses;
}

std::vector<std::string> read_commands(const Section& section, std::string_view key) {
    const auto commands = section.scalars(key);
    for (std::size_t i = 0; i < commands.size(); ++i) {
        if (commands[i].find_first_not_of(" \t\n") == std::string::npos ||
            commands[i].find('\0') != std::string::npos) {
            section.report().add(section.at(key, i), fmt::format("a command of '{}' is empty", key),
                                 "write a shell command, or remove it");
        }
    }
    return commands;
}

std::map<std::string, std::string> read_sysctl(const Section& section) {
    std::map<std::string, std::string> out;
    if (const auto table = section.table("sysctl", free_schema)) flatten_sysctl(*table, "", out);
    return out;
}

}  // namespace weft::lab
