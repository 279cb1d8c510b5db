// The values of single keys of a lab's file, as config/fields.h reads those of a node's. Where a number may
// come from a variable it may be written as a text.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/section.h"
#include "vswitch/address.h"
#include "vswitch/id.h"

namespace weft::lab {

std::optional<std::uint32_t> read_whole_number(const config::Section& section, std::string_view key,
                                               std::uint32_t low, std::uint32_t high);

// "1.5s", "20ms", "300us", "10ns", "5m", "1h": from 0 to a year.
std::optional<Duration> read_time(const config::Section& section, std::string_view key);

// "10mbit", "1.5gbit", "64kbit": bits a second.
std::optional<double> read_bit_rate(const config::Section& section, std::string_view key);

// "10.0.0.1/24" or a list; empty if one of them is wrong.
std::vector<Prefix> read_addresses(const config::Section& section, std::string_view key);

// Shell commands, none of them empty.
std::vector<std::string> read_commands(const config::Section& section, std::string_view key);

// sysctl = { net.ipv4.ip_forward = 1 }, with or without quotes around the name.
std::map<std::string, std::string> read_sysctl(const config::Section& section);

}  // namespace weft::lab
