// A program that is given something to read, says something, and ends; or is killed if it takes too long.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace weft::cni {

struct ChildResult {
    int status = 0;  // as of waitpid()
    bool timed_out = false;
    std::string output;

    // "ends with status 1", "is ended by signal 11"
    [[nodiscard]] std::string ending() const;
};

// Runs `path` without arguments, with stderr as ours, in a process group of its own; the whole group is
// killed when the time is up, and with us. An end that does not close stdout is an end all the same. Of
// stdout the first MiB is kept. Throws std::runtime_error if it cannot be run.
ChildResult run_child(const std::string& path, const std::vector<std::string>& environment,
                      const std::string& input, std::chrono::milliseconds patience);

}  // namespace weft::cni
