// A wrong configuration file and what is to be said about it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "config/load.h"
#include "tests/support/key_folder.h"

namespace weft::test {

struct Mistake {
    const char* what;
    std::string_view file;              // may name the files of a KeyFolder
    std::vector<std::string> problems;  // each after "FILE:", with the folder as DIR
};

inline void check_reports(const std::vector<Mistake>& mistakes) {
    const KeyFolder keys;
    const std::string path = keys.path() + "/site.toml";
    for (const Mistake& mistake : mistakes) {
        CAPTURE(mistake.what);
        const auto config = config::parse(mistake.file, path);
        REQUIRE_FALSE(config.has_value());
        std::vector<std::string> problems;
        for (const std::string& problem : config.error()) problems.push_back(keys.shorten(problem, path));
        CHECK(problems == mistake.problems);
    }
}

}  // namespace weft::test
