// `weft lab top`: a lab's links with what passes them, second by second.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace weft::lab {

struct TopOptions {
    bool once = false;      // a table, and the end
    double interval_s = 1;  // between two
    unsigned limit = 0;     // of lines; 0: what the terminal has room for, or all
};

// On a terminal it is drawn anew each time, until q or Ctrl-C; elsewhere a table follows another one.
int top(const std::string& lab, const TopOptions& options);

// What passed between two reports, the busiest directions first; at most `limit` lines.
std::string render_top(const nlohmann::json& before, const nlohmann::json& now, unsigned limit, bool color);

}  // namespace weft::lab
