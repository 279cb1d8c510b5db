// Reads a lab's file (TOML 1.0; docs/lab.md). All problems are found in one pass as far as they do not follow
// from one another, and reported together, each as "FILE:LINE:COLUMN: what: cure".
//
//   text -> variables, templates, ranges (unfold.h) -> what the sections say (draft.h) -> names resolved
//   (resolve.h)
//        -> addresses (addressing.h) -> routes (routing.h)
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "config/load.h"
#include "lab/topology.h"

namespace weft::lab {

// What is given beside the file, and wins.
struct Overrides {
    std::map<std::string, std::string> variables;
    std::optional<std::string> name;
    std::optional<std::uint64_t> seed;
};

std::expected<Topology, config::Problems> load(const std::string& path, const Overrides& overrides = {});

// `text` as if read from `path`.
std::expected<Topology, config::Problems> parse(std::string_view text, const std::string& path,
                                                const Overrides& overrides = {});

}  // namespace weft::lab
