#include "config/fields.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace weft::config {

namespace {

constexpr std::uint16_t min_mtu = 576;  // what every IPv4 host takes (RFC 791)
constexpr std::uint16_t max_mtu = 65535;

bool is_name(std::string_view name) noexcept {
    constexpr std::size_t longest = 32;
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    return !name.empty() && name.size() <= longest &&
           name.find_first_not_of(allowed) == std::string_view::npos;
}

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

std::string_view example_address(bool is_v6) noexcept {
    return is_v6 ? "2001:db8::1/64" : "10.10.0.1/24";
}

std::string_view example_network(bool is_v6) noexcept {
    return is_v6 ? "2001:db8::/64" : "10.20.2.0/24";
}

bool looks_like_v6(std::string_view text) noexcept {
    return text.find(':') != std::string_view::npos;
}

bool is_broadcast_of(const Prefix& prefix) noexcept {
    if (prefix.address.is_v6()) return false;
    std::uint32_t address = 0;
    for (const std::uint8_t octet : prefix.address.bytes()) address = address << 8U | octet;
    const std::uint32_t host_mask = prefix.length == 0 ? ~0U : (1U << (32U - prefix.length)) - 1;
    return (address & host_mask) == host_mask;
}

// A point-to-point network (RFC 3021, RFC 6164) has hosts only.
bool has_network_address(const Prefix& prefix) noexcept {
    return prefix.length + 1U < prefix.address.width();
}

std::optional<Prefix> parse_interface_address(const std::string& text, Position at, Report& report) {
    const auto prefix = Prefix::parse(text);
    const std::string_view example = example_address(looks_like_v6(text));
    if (!prefix) {
        report.add(at, fmt::format("{} is not an address with a prefix length", quoted(text)),
                   fmt::format("write it as in \"{}\"", example));
        return std::nullopt;
    }
    if (text.find('/') == std::string::npos) {
        report.add(at, fmt::format("{} has no prefix length", quoted(text)),
                   fmt::format("write \"{}/{}\", with the length of its network", text,
                               prefix->address.is_v6() ? 64 : 24));
        return std::nullopt;
    }
    const IpAddress& address = prefix->address;
    if (address.is_unspecified() || address.is_multicast() || address.is_loopback() ||
        address.is_broadcast()) {
        report.add(at, fmt::format("{} is not an address that an interface can have", quoted(text)),
                   fmt::format("write a unicast address, as in \"{}\"", example));
        return std::nullopt;
    }
    if (has_network_address(*prefix) && (prefix->network() == *prefix || is_broadcast_of(*prefix))) {
        report.add(at,
                   fmt::format("{} is the {} address of its network", quoted(text),
                               prefix->network() == *prefix ? "first" : "broadcast"),
                   fmt::format("write the address of a host in it, as in \"{}\"", example));
        return std::nullopt;
    }
    return prefix;
}

std::optional<Prefix> parse_network(const std::string& text, Position at, Report& report) {
    const auto prefix = Prefix::parse(text);
    if (!prefix) {
        report.add(at, fmt::format("{} is not a prefix", quoted(text)),
                   fmt::format("write it as in \"{}\"", example_network(looks_like_v6(text))));
        return std::nullopt;
    }
    if (prefix->network() != *prefix) {
        report.add(at, fmt::format("{} has host bits set", quoted(text)),
                   fmt::format("write \"{}\"", prefix->network().to_string()));
        return std::nullopt;
    }
    return prefix;
}

constexpr std::string_view device_name_cure = "use 1 to 15 characters without '/', ':', '%' and white space";

std::string no_device_name(std::string_view name) {
    return fmt::format("{} cannot be the name of a network device", quoted(name));
}

using ParsePrefix = std::optional<Prefix> (*)(const std::string&, Position, Report&);

// Empty if any element is wrong, and no element may stand twice.
std::vector<Prefix> read_prefixes(const Section& section, std::string_view key, ParsePrefix parse) {
    const auto texts = section.texts(key);
    std::vector<Prefix> prefixes;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto prefix = parse(texts[i], section.at(key, i), section.report());
        if (!prefix) continue;
        if (std::ranges::find(prefixes, *prefix) != prefixes.end()) {
            section.report().add(section.at(key, i),
                                 fmt::format("{} stands twice in '{}'", quoted(texts[i]), key), "remove one");
        }
        prefixes.push_back(*prefix);
    }
    if (prefixes.size() != texts.size()) return {};
    return prefixes;
}

bool is_vlan(std::int64_t number) noexcept {
    return number >= 1 && number <= max_vlan;
}

void report_bad_vlan(const Section& section, Position at, std::int64_t number) {
    section.report().add(at, fmt::format("{} is not a VLAN", number), fmt::format("use 1 to {}", max_vlan));
}

}  // namespace

std::string read_name(const Section& section) {
    auto name = section.text("name");
    if (!name) return {};
    if (!is_name(*name)) {
        section.problem("name", fmt::format("{} is not a name", quoted(*name)),
                        "use 1 to 32 letters, digits, dots, underscores and hyphens");
    }
    return *name;
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
    if (!is_vlan(*number)) {
        report_bad_vlan(section, section.at(key), *number);
        return std::nullopt;
    }
    return VlanId{static_cast<std::uint16_t>(*number)};
}

std::vector<VlanId> read_vlans(const Section& section, std::string_view key) {
    const auto numbers = section.integers(key);
    std::vector<VlanId> vlans;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const Position at = section.at(key, i);
        if (!is_vlan(numbers[i])) {
            report_bad_vlan(section, at, numbers[i]);
            continue;
        }
        const VlanId vlan{static_cast<std::uint16_t>(numbers[i])};
        if (std::ranges::find(vlans, vlan) != vlans.end()) {
            section.report().add(at, fmt::format("VLAN {} stands twice in '{}'", numbers[i], key),
                                 "remove one");
        }
        vlans.push_back(vlan);
    }
    return vlans;
}

std::optional<MacAddress> read_mac(const Section& section, std::string_view key) {
    const auto text = section.text(key);
    if (!text) return std::nullopt;
    const auto mac = MacAddress::parse(*text);
    if (!mac) {
        section.problem(key, fmt::format("{} is not a MAC address", quoted(*text)),
                        "write it as in \"02:00:00:00:00:01\"");
        return std::nullopt;
    }
    if (mac->is_zero() || mac->is_group()) {
        section.problem(key,
                        fmt::format("{} is {}, not the address of a station", quoted(*text),
                                    mac->is_zero() ? "zero" : "a group address"),
                        "write a unicast address, as in \"02:00:00:00:00:01\"");
        return std::nullopt;
    }
    return mac;
}

std::vector<Prefix> read_interface_addresses(const Section& section, std::string_view key) {
    return read_prefixes(section, key, parse_interface_address);
}

std::optional<Prefix> read_network(const Section& section, std::string_view key) {
    const auto text = section.text(key);
    if (!text) return std::nullopt;
    return parse_network(*text, section.at(key), section.report());
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
    auto name = section.text(key);
    if (!name) return std::nullopt;
    if (!is_device_name(*name)) {
        section.problem(key, no_device_name(*name), device_name_cure);
        return std::nullopt;
    }
    return name;
}

std::vector<std::string> read_devices(const Section& section, std::string_view key) {
    auto names = section.texts(key);
    for (std::size_t i = 0; i < names.size(); ++i) {
        const Position at = section.at(key, i);
        if (!is_device_name(names[i])) {
            section.report().add(at, no_device_name(names[i]), device_name_cure);
        } else if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
                   names.begin() + static_cast<std::ptrdiff_t>(i)) {
            section.report().add(at, fmt::format("{} stands twice in '{}'", quoted(names[i]), key),
                                 "remove one");
        }
    }
    return names;
}

std::optional<std::string> read_netns(const Section& section, std::string_view key) {
    auto netns = section.text(key);
    if (!netns) return std::nullopt;
    const bool is_path = netns->starts_with('/');
    if (netns->empty() ||
        (!is_path && (netns->find('/') != std::string::npos || *netns == "." || *netns == ".."))) {
        section.problem(key, fmt::format("{} is not a network namespace", quoted(*netns)),
                        "write a name, as ip netns lists it, or an absolute path");
        return std::nullopt;
    }
    return netns;
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

bool is_device_name(std::string_view name) noexcept {
    constexpr std::size_t longest = 15;  // IFNAMSIZ without the terminating zero
    if (name.empty() || name.size() > longest || name == "." || name == "..") return false;
    return std::ranges::all_of(name, [](char c) {
        const auto code = static_cast<unsigned char>(c);
        return code > 0x20 && code != 0x7F && c != '/' && c != ':' && c != '%';
    });
}

bool has_v6(const std::vector<Prefix>& prefixes) noexcept {
    return std::ranges::any_of(prefixes, [](const Prefix& prefix) { return prefix.address.is_v6(); });
}

}  // namespace weft::config
