// What sections say about one another: names and references, keys, addresses. Each check stands alone and
// reports every problem it finds; a value that its own section has already found wrong is passed over, so
// that one mistake gives one message.
#pragma once

#include "config/config.h"
#include "config/read.h"

namespace weft::config {

void validate(const Config& config, const Origins& origins, Report& report);

void validate_names(const Config& config, const Origins& origins, Report& report);
void validate_references(const Config& config, const Origins& origins, Report& report);
void validate_keys(const Config& config, const Origins& origins, Report& report);
void validate_prefixes(const Config& config, const Origins& origins, Report& report);
void validate_endpoints(const Config& config, const Origins& origins, Report& report);
void validate_outside(const Config& config, const Origins& origins, Report& report);

}  // namespace weft::config
