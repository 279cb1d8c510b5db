#include "config/values.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "config/report.h"

namespace weft::config {

namespace {

std::unexpected<Fault> fault(std::string what, std::string cure) {
    return std::unexpected{Fault{std::move(what), std::move(cure)}};
}

bool is_name(std::string_view name) noexcept {
    constexpr std::size_t longest = 32;
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    return !name.empty() && name.size() <= longest &&
           name.find_first_not_of(allowed) == std::string_view::npos;
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

}  // namespace

std::expected<std::string, Fault> parse_name(std::string_view text) {
    if (is_name(text)) return std::string{text};
    return fault(fmt::format("{} is not a name", quoted(text)),
                 "use 1 to 32 letters, digits, dots, underscores and hyphens");
}

std::expected<VlanId, Fault> parse_vlan(std::int64_t number) {
    if (number >= 1 && number <= max_vlan) return VlanId{static_cast<std::uint16_t>(number)};
    return fault(fmt::format("{} is not a VLAN", number), fmt::format("use 1 to {}", max_vlan));
}

std::expected<MacAddress, Fault> parse_station_mac(std::string_view text) {
    const auto mac = MacAddress::parse(text);
    if (!mac) {
        return fault(fmt::format("{} is not a MAC address", quoted(text)),
                     "write it as in \"02:00:00:00:00:01\"");
    }
    if (mac->is_zero() || mac->is_group()) {
        return fault(fmt::format("{} is {}, not the address of a station", quoted(text),
                                 mac->is_zero() ? "zero" : "a group address"),
                     "write a unicast address, as in \"02:00:00:00:00:01\"");
    }
    return *mac;
}

std::expected<Prefix, Fault> parse_interface_address(std::string_view text) {
    const auto prefix = Prefix::parse(text);
    const std::string_view example = example_address(looks_like_v6(text));
    if (!prefix) {
        return fault(fmt::format("{} is not an address with a prefix length", quoted(text)),
                     fmt::format("write it as in \"{}\"", example));
    }
    if (text.find('/') == std::string_view::npos) {
        return fault(fmt::format("{} has no prefix length", quoted(text)),
                     fmt::format("write \"{}/{}\", with the length of its network", text,
                                 prefix->address.is_v6() ? 64 : 24));
    }
    const IpAddress& address = prefix->address;
    if (address.is_unspecified() || address.is_multicast() || address.is_loopback() ||
        address.is_broadcast()) {
        return fault(fmt::format("{} is not an address that an interface can have", quoted(text)),
                     fmt::format("write a unicast address, as in \"{}\"", example));
    }
    if (has_network_address(*prefix) && (prefix->network() == *prefix || is_broadcast_of(*prefix))) {
        return fault(fmt::format("{} is the {} address of its network", quoted(text),
                                 prefix->network() == *prefix ? "first" : "broadcast"),
                     fmt::format("write the address of a host in it, as in \"{}\"", example));
    }
    return *prefix;
}

std::expected<Prefix, Fault> parse_network(std::string_view text) {
    const auto prefix = Prefix::parse(text);
    if (!prefix) {
        return fault(fmt::format("{} is not a prefix", quoted(text)),
                     fmt::format("write it as in \"{}\"", example_network(looks_like_v6(text))));
    }
    if (prefix->network() != *prefix) {
        return fault(fmt::format("{} has host bits set", quoted(text)),
                     fmt::format("write \"{}\"", prefix->network().to_string()));
    }
    return *prefix;
}

std::expected<std::string, Fault> parse_device_name(std::string_view text) {
    if (is_device_name(text)) return std::string{text};
    return fault(fmt::format("{} cannot be the name of a network device", quoted(text)),
                 "use 1 to 15 characters without '/', ':', '%' and white space");
}

std::expected<std::string, Fault> parse_netns(std::string_view text) {
    const bool is_path = text.starts_with('/');
    const bool is_name =
        !text.empty() && text.find('/') == std::string_view::npos && text != "." && text != "..";
    if ((!is_path && !is_name) || text.find('\0') != std::string_view::npos) {
        return fault(fmt::format("{} is not a network namespace", quoted(text)),
                     "write a name, as ip netns lists it, or an absolute path");
    }
    return std::string{text};
}

bool is_device_name(std::string_view name) noexcept {
    constexpr std::size_t longest = 15;  // IFNAMSIZ without the terminating zero
    if (name.empty() || name.size() > longest || name == "." || name == "..") return false;
    return std::ranges::all_of(name, [](char c) {
        const auto code = static_cast<unsigned char>(c);
        return code > 0x20 && code != 0x7F && c != '/' && c != ':' && c != '%';
    });
}

bool has_network_address(const Prefix& prefix) noexcept {
    return prefix.length + 1U < prefix.address.width();
}

bool has_v6(const std::vector<Prefix>& prefixes) noexcept {
    return std::ranges::any_of(prefixes, [](const Prefix& prefix) { return prefix.address.is_v6(); });
}

}  // namespace weft::config
