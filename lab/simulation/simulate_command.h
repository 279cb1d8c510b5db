// `weft lab simulate`: reads a lab's file, simulates it (simulation.h), prints what it has counted and writes
// what was captured.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lab/file/topology_file.h"
#include "lab/simulation/simulation.h"

namespace CLI {
class App;
}

namespace weft::lab {

class SimulateCommand {
  public:
    // Adds the command to `app`, which sets `as_json`; `status` becomes the exit status when it has run.
    SimulateCommand(CLI::App& app, const bool& as_json, int& status);

  private:
    [[nodiscard]] int run(bool as_json) const;
    [[nodiscard]] Overrides overrides() const;
    [[nodiscard]] SimulationOptions options(const Topology& topology) const;

    std::string file_;
    std::vector<std::string> variables_;
    std::optional<std::uint64_t> seed_;
    double length_ = 0;  // seconds; 0: the file's
    std::string capture_file_;
    std::vector<std::string> captured_;
    std::uint32_t snap_ = 0;
    bool without_commands_ = false;
};

}  // namespace weft::lab
