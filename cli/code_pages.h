// What starting has touched of the program's and its libraries' code and constants, and running does not need:
// parsers, self-tests, the loader's tables. It is file pages, shared with other processes, and yet counted as
// ours.
#pragma once

namespace weft {

// Unmaps them all, once the node is up; what is used is mapped again, page by page.
void give_back_code_pages() noexcept;

}  // namespace weft
