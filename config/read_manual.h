// [peer.manual]: security associations set by hand.
#pragma once

#include <optional>

#include "config/config.h"
#include "config/section.h"

namespace weft::config {

std::optional<ManualSa> read_manual(const Section& section);  // nothing if any part of it is missing or wrong

}  // namespace weft::config
