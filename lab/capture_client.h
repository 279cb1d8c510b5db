// The reading side of capture.h.
#pragma once

#include <string>
#include <vector>

namespace weft::lab {

// pcapng of these links and of all links of these nodes (none: of all) into a file, or "-", until the lab
// ends or Ctrl-C. Returns the exit status.
int capture(const std::string& lab, const std::vector<std::string>& targets, const std::string& file);

}  // namespace weft::lab
