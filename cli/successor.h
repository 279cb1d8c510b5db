// The keeper's last act when a node is upgraded (weft upgrade): it becomes the next weftd (keeper.h). This is
// what that takes: a program and its command line, which are said before anything has come from the network,
// and the descriptors that the last weftd has left.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "vswitch/system.h"

namespace weft {

class SuccessorProgram {
  public:
    SuccessorProgram() = default;

    SuccessorProgram(std::string program, std::vector<std::string> arguments)
        : program_(std::move(program)), arguments_(std::move(arguments)) {}

    // Runs it with --version. Throws std::runtime_error if that does not exit with 0.
    void try_out() const;

    // Of a process with one thread. The program gets the capabilities that the process has, the descriptors
    // by the protocol of sd_listen_fds(3), and nothing else. Throws std::runtime_error if it cannot be run.
    [[noreturn]] void become(std::vector<std::pair<std::string, Descriptor>> descriptors) const;

  private:
    [[nodiscard]] std::vector<char*> arguments() const;

    std::string program_;
    std::vector<std::string> arguments_;
};

}  // namespace weft
