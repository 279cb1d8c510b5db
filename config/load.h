// Reads a configuration file (TOML 1.0). All problems of a file are found in one pass and reported together,
// each as "FILE:LINE:COLUMN: what: cure"; nothing is half-read. Key files are read, and refused if others may
// read them.
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace weft::config {

// In the order of the file.
using Problems = std::vector<std::string>;

std::expected<Config, Problems> load(const std::string& path);

// Opens a key file for reading: a descriptor, or -1 with errno set.
using OpenKey = std::function<int(const std::string& path)>;

// `text` as if read from `path`. Relative key file paths are taken from path's folder. `open_key`: for
// whoever may not open them himself.
std::expected<Config, Problems> parse(std::string_view text, const std::string& path,
                                      const OpenKey& open_key = {});

}  // namespace weft::config
