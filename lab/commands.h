// What the commands of weft-lab do that speak with labs that run: each returns the exit status.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lab/topology.h"

namespace weft::lab {

// `given` if it is not empty, else $WEFT_LAB, else the only one that runs; throws std::runtime_error with
// the names if there are several, and if there is none.
std::string choose_lab(const std::string& given);

struct UpOptions {
    bool rootless = false;
    bool foreground = false;  // until it is interrupted
};

int up(const Topology& topology, const UpOptions& options);
int down(const std::string& lab);
int down_all();
int list(bool as_json);
int clean_up(bool as_json);
int status(const std::string& lab, bool as_json);
int set(const std::string& lab, const std::string& target, const std::string& direction,
        const std::vector<std::string>& settings);

// A picture: SVG, or DOT for graphviz. Of a lab that runs, with what passes its links within a second.
int graph(const std::string& lab, bool as_dot);
int graph(const Topology& topology, bool as_dot);

int event(const std::string& lab, std::optional<unsigned> number, bool as_json);

}  // namespace weft::lab
