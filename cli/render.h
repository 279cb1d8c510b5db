// The results of the control methods (report.h) as text for people: aligned tables, human units, and words
// where a table would be empty. For programs there is the JSON itself.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace weft {

// `method` is one of status, ports, fdb, routes, peers, flows, drops, rekey, deny, deny_add, deny_del, ipam.
// Throws nlohmann's exceptions if `result` lacks what report.h (ipam: ipam.h) promises. Ends with a newline.
std::string render(std::string_view method, const nlohmann::json& result, bool color);

// An event of the method `monitor` (monitor.h): the local time and its description, without a newline.
std::string render_event(const nlohmann::json& event);

}  // namespace weft
