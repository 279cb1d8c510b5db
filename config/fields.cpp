#include "config/fields.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <expected>
#include <utility>

#include <fmt/format.h>

namespace weft::config {

namespace {

std::optional<std::int64_t> microseconds_in(std::string_view unit) noexcept {
    if (unit == "us") return 1;
    if (unit == "ms") return 1'000;
    if (unit == "s") return 1'000'000;
    if (unit == "m") return 60'000'000;
    if (unit == "h") return 3'600'000'000;
    return std::nullopt;
}

std::optional<std::chrono::microseconds> parse_duration(std::string_view text) noexcept {
    constexpr std::int64_t most = 1'000'000'000;  // of any unit: the product cannot overflow
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc{} || count < 0 || count > most) return std::nullopt;
    const auto unit = microseconds_in(text.substr(static_cast<std::size_t>(end - text.data())));
    if (!unit) return std::nullopt;
    return std::chrono::microseconds{count * *unit};
}

std::optional<std::chrono::microseconds> read_any_duration(const Section& section, std::string_view key,
                                                           std::string_view example) {
    const auto text = section.text(key);
    if (!text) return std::nullopt;
    const auto duration = parse_duration(*text);
    if (duration) return duration;
    section.problem(
        key, fmt::format("{} is not a duration", quoted(*text)),
        fmt::format("write a whole number and its unit, us, ms, s, m or h, as in \"{}\"", example));
    return std::nullopt;
}

using ParsePrefix = std::expected<Prefix, Fault> (*)(std::string_view);

// Empty if any element is wrong, and no element may stand twice.
std::vector<Prefix> read_prefixes(const Section& section, std::string_view key, ParsePrefix parse) {
    const auto texts = section.texts(key);
    std::vector<Prefix> prefixes;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto prefix = parse(texts[i]);
        if (!prefix) {
            section.report().add(section.at(key, i), prefix.error().what, prefix.error().cure);
            continue;
        }
        if (std::ranges::find(prefixes, *prefix) != prefixes.end()) {
            section.report().add(section.at(key, i),
                                 fmt::format("{} stands twice in '{}'", quoted(texts[i]), key), "remove one");
        }
        prefixes.push_back(*prefix);
    }
    if (prefixes.size() != texts.size()) return {};
    return prefixes;
}

// The value of a key that is a text.
template <class Value>
std::optional<Value> read_text(const Section& section, std::string_view key,
                               std::expected<Value, Fault> (*parse)(std::string_view)) {
    const auto text = section.text(key);
    if (!text) return std::nullopt;
    auto value = parse(*text);
    if (!value) {
        section.problem(key, value.error().what, value.error().cure);
        return std::nullopt;
    }
    return std::move(*value);
}

}  // namespace

std::string read_name(const Section& section) {
    if (const auto name = read_text(section, "name", parse_name)) return *name;
    return section.text("name").value_or(std::string{});
}

std::optional<std::uint32_t> read_number(const Section& section, std::string_view key, std::uint32_t low,
                                         std::uint32_t high) {
    const auto number = section.integer(key);
    if (!number) return std::nullopt;
    if (*number < low || *number > high) {
        section.problem(key, fmt::format("'{}' is {}", key, *number), fmt::format("use {} to {}", low, high));
        return std::nullopt;
    }
    return static_cast<std::uint32_t>(*number);
}

std::optional<std::uint16_t> read_mtu(const Section& section, std::string_view key) {
    const auto number = read_number(section, key, min_mtu, max_mtu);
    if (!number) return std::nullopt;
    return static_cast<std::uint16_t>(*number);
}

std::optional<std::chrono::seconds> read_duration(const Section& section, std::string_view key,
                                                  std::chrono::seconds low, std::chrono::seconds high) {
    const auto duration = read_any_duration(section, key, "300s");
    if (!duration) return std::nullopt;
    const std::string text = section.text(key).value_or("");
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*duration);
    if (seconds != *duration) {
        section.problem(key, fmt::format("{} is not a whole number of seconds", quoted(text)),
                        fmt::format("write \"{}s\"", seconds.count() + 1));
        return std::nullopt;
    }
    if (seconds < low || seconds > high) {
        section.problem(key, fmt::format("'{}' is {}", key, quoted(text)),
                        fmt::format("use \"{}s\" to \"{}s\"", low.count(), high.count()));
        return std::nullopt;
    }
    return seconds;
}

std::optional<std::chrono::microseconds> read_short_duration(const Section& section, std::string_view key,
                                                             std::chrono::microseconds high) {
    const auto duration = read_any_duration(section, key, "50us");
    if (!duration || *duration <= high) return duration;
    section.problem(key, fmt::format("'{}' is {}", key, quoted(section.text(key).value_or(""))),
                    fmt::format("use \"0us\" to \"{}us\"", high.count()));
    return std::nullopt;
}

std::optional<VlanId> read_vlan(const Section& section, std::string_view key) {
    const auto number = section.integer(key);
    if (!number) return std::nullopt;
    const auto vlan = parse_vlan(*number);
    if (!vlan) {
        section.problem(key, vlan.error().what, vlan.error().cure);
        return std::nullopt;
    }
    return *vlan;
}

std::vector<VlanId> read_vlans(const Section& section, std::string_view key) {
    const auto numbers = section.integers(key);
    std::vector<VlanId> vlans;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const Position at = section.at(key, i);
        const auto vlan = parse_vlan(numbers[i]);
        if (!vlan) {
            section.report().add(at, vlan.error().what, vlan.error().cure);
            continue;
        }
        if (std::ranges::find(vlans, *vlan) != vlans.end()) {
            section.report().add(at, fmt::format("VLAN {} stands twice in '{}'", numbers[i], key),
                                 "remove one");
        }
        vlans.push_back(*vlan);
    }
    return vlans;
}

std::optional<MacAddress> read_mac(const Section& section, std::string_view key) {
    return read_text(section, key, parse_station_mac);
}

std::vector<Prefix> read_interface_addresses(const Section& section, std::string_view key) {
    return read_prefixes(section, key, parse_interface_address);
}

std::optional<Prefix> read_network(const Section& section, std::string_view key) {
    return read_text(section, key, parse_network);
}

std::vector<Prefix> read_networks(const Section& section, std::string_view key) {
    return read_prefixes(section, key, parse_network);
}

std::optional<Endpoint> read_endpoint(const Section& section, std::string_view key) {
    const auto text = section.text(key);
    if (!text) return std::nullopt;
    const auto endpoint = Endpoint::parse(*text);
    if (!endpoint) {
        section.problem(key, fmt::format("{} is not an address and a port", quoted(*text)),
                        "write it as in \"0.0.0.0:4500\" or \"[::]:4500\"");
        return std::nullopt;
    }
    if (endpoint->port == 0) {
        section.problem(key, fmt::format("{} has port 0", quoted(*text)), "use a port of 1 to 65535");
        return std::nullopt;
    }
    return endpoint;
}

std::optional<std::string> read_device(const Section& section, std::string_view key) {
    return read_text(section, key, parse_device_name);
}

std::vector<std::string> read_devices(const Section& section, std::string_view key) {
    auto names = section.texts(key);
    for (std::size_t i = 0; i < names.size(); ++i) {
        const Position at = section.at(key, i);
        if (const auto name = parse_device_name(names[i]); !name) {
            section.report().add(at, name.error().what, name.error().cure);
        } else if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
                   names.begin() + static_cast<std::ptrdiff_t>(i)) {
            section.report().add(at, fmt::format("{} stands twice in '{}'", quoted(names[i]), key),
                                 "remove one");
        }
    }
    return names;
}

std::optional<std::string> read_netns(const Section& section, std::string_view key) {
    return read_text(section, key, parse_netns);
}

std::optional<std::string> read_path(const Section& section, std::string_view key) {
    const auto path = section.text(key);
    if (!path) return std::nullopt;
    if (path->empty() || path->find('\0') != std::string::npos) {
        section.problem(key, fmt::format("'{}' is not a path", key), "write the path of a file");
        return std::nullopt;
    }
    return section.report().resolve(*path);
}

}  // namespace weft::config
