// Secrets in files: base64, one a file, readable by nobody but their owner. What passes through memory is
// wiped.
#pragma once

#include <optional>
#include <string_view>

#include "config/section.h"
#include "crypto/key.h"
#include "crypto/sa.h"

namespace weft::config {

// Reads the 32 bytes in the file that `key` names. `maker` is the command that makes one, for messages.
std::optional<Secret<32>> read_secret(const Section& section, std::string_view key, std::string_view maker);

// Reads the key and salt of `keys.cipher` into `keys`: 20 or 36 bytes, the salt last (RFC 4106 section 8.1).
bool read_sa_secret(const Section& section, std::string_view key, SaKeys& keys);

}  // namespace weft::config
