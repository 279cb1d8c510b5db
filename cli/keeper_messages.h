// What weftd and its keeper say to one another, as JSON and descriptors, and back.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/descriptor_channel.h"
#include "cli/port_maker.h"
#include "vswitch/address.h"
#include "vswitch/nat_table.h"

namespace weft {

nlohmann::json to_json(const PortOrder& order);
PortOrder port_order(const nlohmann::json& json);

nlohmann::json to_json(const StandingPort& standing);
StandingPort standing_port(const nlohmann::json& json);

// The descriptors stay those of `made`.
nlohmann::json to_json(const MadePort& made, std::vector<int>& descriptors);
MadePort made_port(ChannelMessage message);

nlohmann::json to_json(const std::optional<NatRules>& rules);
std::optional<NatRules> nat_rules(const nlohmann::json& json);

nlohmann::json to_json(const std::optional<std::string>& text);
std::optional<std::string> optional_text(const nlohmann::json& json);

nlohmann::json to_json(const std::set<Prefix>& prefixes);
std::set<Prefix> prefixes(const nlohmann::json& json);

}  // namespace weft
