// `weft lab clean`: nothing is left of labs that are gone. All that can be is a folder, since the kernel ends
// processes, namespaces and devices with the lab's first process; and that process itself, if it hangs.
#pragma once

#include <string>
#include <vector>

namespace weft::lab {

struct Cleaning {
    std::vector<std::string> done;      // in words
    std::vector<std::string> running;   // labs, which stay
    std::vector<std::string> problems;  // what could not be removed
};

Cleaning clean();

}  // namespace weft::lab
