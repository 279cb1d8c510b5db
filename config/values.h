// What the text or number of a single value must look like and mean, wherever it was written: in the
// configuration file (fields.h) or in the params of a control method. Each function gives the value, or what
// is wrong with it and the cure, both without the place, which only the caller knows.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "vswitch/address.h"
#include "vswitch/id.h"

namespace weft::config {

struct Fault {
    std::string what;
    std::string cure;

    friend bool operator==(const Fault&, const Fault&) = default;
};

inline constexpr std::uint16_t min_mtu = 576;      // what every IPv4 host takes (RFC 791)
inline constexpr std::uint16_t min_v6_mtu = 1280;  // RFC 8200 section 5
inline constexpr std::uint16_t max_mtu = 65535;

// 1 to 32 letters, digits, dots, underscores, hyphens.
std::expected<std::string, Fault> parse_name(std::string_view text);

std::expected<VlanId, Fault> parse_vlan(std::int64_t number);

// Of a station: neither zero nor a group.
std::expected<MacAddress, Fault> parse_station_mac(std::string_view text);

// An address of an interface together with the length of its network ("10.10.0.1/24").
std::expected<Prefix, Fault> parse_interface_address(std::string_view text);

// Without host bits ("10.20.2.0/24").
std::expected<Prefix, Fault> parse_network(std::string_view text);

std::expected<std::string, Fault> parse_device_name(std::string_view text);

// A name under /run/netns, or an absolute path.
std::expected<std::string, Fault> parse_netns(std::string_view text);

// A name that Linux gives to a network device: 1 to 15 characters without '/', ':', '%' and white space.
bool is_device_name(std::string_view name) noexcept;

// A point-to-point network (RFC 3021, RFC 6164) has hosts only.
bool has_network_address(const Prefix& prefix) noexcept;

bool has_v6(const std::vector<Prefix>& prefixes) noexcept;

}  // namespace weft::config
