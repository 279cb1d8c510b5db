// Another configuration for a node that runs: `weft apply` and SIGHUP. The text is read and checked as a
// whole before anything happens; then all of it is applied, or nothing. With a time to confirm, the one
// before comes back unless `weft confirm` follows.
//
//   apply    {"text": TOML, "path": where it is from, "dry_run": bool, "confirm_s": N, 0: need not be
//   confirmed}
//            {"changes": [in words, ...], "applied": bool, "confirm_s": N}
//   confirm  {}   {"confirmed": bool}: false, there was nothing to confirm
//
// What cannot be done is told, and nothing has happened then.
//
// Owner: the control thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cli/keeper.h"
#include "cli/loop.h"
#include "config/config.h"

namespace weft {

class Reconfiguration {
  public:
    struct Node {
        std::function<std::vector<std::string>(config::Config&)> plan;  // before apply()
        std::function<std::size_t(std::unique_ptr<config::Config>)> apply;
        std::function<void(std::string)> warn;
    };

    // `file`: what the node was started by.
    Reconfiguration(Loop& loop, std::string file, Keeper& keeper, Node node);

    nlohmann::json apply(const nlohmann::json& params);
    nlohmann::json confirm();
    void reload();

  private:
    struct Source {
        std::string path;
        std::string text;
    };

    [[nodiscard]] std::unique_ptr<config::Config> read(const Source& source);
    void roll_back();

    std::string file_;
    Keeper& keeper_;
    Node node_;
    std::optional<Source> in_force_;  // nothing: what the file said at the start
    std::optional<Source> before_;    // to go back to
    Timer unconfirmed_;
};

}  // namespace weft
