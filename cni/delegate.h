// Another CNI plugin, run as the runtime would run it: found by its name in the folders of CNI_PATH, with our
// environment, our configuration on its stdin and our stderr (CNI specification 1.1.0, section 4). It has ten
// seconds; then it is killed, with the processes that it has started in its process group.
//
// A plugin that fails is an Error in its own words and with its own code; one that was killed is code 11, one
// that is not there 102, one that says nothing that makes sense 103.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cni/request.h"

namespace weft::cni {

class Delegate {
  public:
    static constexpr std::chrono::seconds patience{10};

    // `name` without a '/'.
    Delegate(std::string name, std::vector<std::string> folders)
        : name_(std::move(name)), folders_(std::move(folders)) {}

    // Variables that differ from our environment, "NAME=VALUE".
    using Variables = std::vector<std::string>;

    // What it prints; null if that is nothing. `variables` come in place of ours of the same names.
    nlohmann::json run(const std::string& input, const Variables& variables = {}) const;

    // Whether it says that it speaks this version.
    [[nodiscard]] bool speaks(Version version) const;

  private:
    [[nodiscard]] std::string find() const;

    std::string name_;
    std::vector<std::string> folders_;
};

}  // namespace weft::cni
