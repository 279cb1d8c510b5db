// What `weft lab status`, `top` and `list` show a person: the JSON of lab_report.h as tables.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace weft::lab {

std::string render_status(const nlohmann::json& report, bool color);

// Of a link's direction: "delay 20ms, loss 1%"; empty: nothing is done to packets.
std::string impairment_text(const nlohmann::json& wire);

// Of a link's direction: packets that were offered and will not arrive.
std::uint64_t lost_packets(const nlohmann::json& wire);

}  // namespace weft::lab
