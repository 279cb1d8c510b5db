// Programs in a node of a running lab, started from outside with the terminal, folder and environment of
// whoever asks: `weft lab exec`, `weft lab shell`. The kernel lets the user do so to whom the lab's user
// namespace belongs.
#pragma once

#include <string>
#include <vector>

namespace weft::lab {

// Ends the calling process with the program's exit status, with 128 and the signal's number if one ended it,
// or with 127 if there is no such program. Throws std::runtime_error if it does not come to that. The process
// has one thread.
[[noreturn]] void exec_in_node(const std::string& lab, const std::string& node,
                               const std::vector<std::string>& command);

}  // namespace weft::lab
