// The control method `rekey`: new keys now, for an operator who suspects the old ones, or wants to see it
// work. Traffic goes on with the old session until the new one is agreed on.
//
//   params   {"peer": "site-b"}, or nothing: every peer that has a session
//   result   {"rekeyed": ["site-b", ...]}: with which a handshake is under way now
//
// A peer that is named and cannot be rekeyed is an InvalidParams that says why.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "cli/report.h"

namespace weft {

class Keying;

nlohmann::json rekey(Keying& keying, const Names& names, const nlohmann::json& params);

}  // namespace weft
