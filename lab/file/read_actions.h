// What an [[event]] or a [[step]] does to a link or a node.
#pragma once

#include <optional>

#include "config/section.h"
#include "lab/file/draft.h"

namespace weft::lab {

// `link` with `up` or `set`, `node` with `up` or (of an event) `run`; nothing if the section has none of
// these keys, or what it has is wrong.
std::optional<Action> read_action(const config::Section& section, const Names& names, bool node_runs);

bool has_action(const config::Section& section) noexcept;

// Whether [link.impair] can have it.
bool check_setting(const config::Section& settings, const std::string& key, const std::string& value);

}  // namespace weft::lab
