// Reads a configuration file (TOML 1.0). All problems of a file are found in one pass and reported together,
// each as "FILE:LINE:COLUMN: what: cure"; nothing is half-read. Key files are read, and refused if others may
// read them.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace weft::config {

// In the order of the file.
using Problems = std::vector<std::string>;

std::expected<Config, Problems> load(const std::string& path);

// `text` as if read from `path`: for tests and for `weft apply -`. Relative key file paths are taken from
// path's folder.
std::expected<Config, Problems> parse(std::string_view text, const std::string& path);

}  // namespace weft::config
