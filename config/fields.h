// The values of single keys of a section (values.h says what they must look like). Each function reads one
// key, reports what is wrong with it, and gives nothing if it is absent or wrong.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/section.h"
#include "config/values.h"
#include "vswitch/address.h"
#include "vswitch/id.h"

namespace weft::config {

// `name`: 1 to 32 letters, digits, dots, underscores, hyphens.
std::string read_name(const Section& section);

std::optional<std::uint32_t> read_number(const Section& section, std::string_view key, std::uint32_t low,
                                         std::uint32_t high);
std::optional<std::uint16_t> read_mtu(const Section& section, std::string_view key);

// "300s", "5m", "1h", "2000ms": whole seconds.
std::optional<std::chrono::seconds> read_duration(const Section& section, std::string_view key,
                                                  std::chrono::seconds low, std::chrono::seconds high);

// "50us": microseconds, from 0.
std::optional<std::chrono::microseconds> read_short_duration(const Section& section, std::string_view key,
                                                             std::chrono::microseconds high);

std::optional<VlanId> read_vlan(const Section& section, std::string_view key);
std::vector<VlanId> read_vlans(const Section& section, std::string_view key);

// Of a station: neither zero nor a group.
std::optional<MacAddress> read_mac(const Section& section, std::string_view key);

// An address of an interface together with the length of its network ("10.10.0.1/24").
std::vector<Prefix> read_interface_addresses(const Section& section, std::string_view key);

// Without host bits ("10.20.2.0/24").
std::optional<Prefix> read_network(const Section& section, std::string_view key);
std::vector<Prefix> read_networks(const Section& section, std::string_view key);

std::optional<Endpoint> read_endpoint(const Section& section, std::string_view key);

std::optional<std::string> read_device(const Section& section,
                                       std::string_view key);  // a network device's name
std::vector<std::string> read_devices(const Section& section, std::string_view key);  // without doubles
std::optional<std::string> read_netns(const Section& section, std::string_view key);

// Not empty; absolute, or relative to the file's folder.
std::optional<std::string> read_path(const Section& section, std::string_view key);

}  // namespace weft::config
