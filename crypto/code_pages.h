// What a self-test or a start has touched of code and constants, and what goes on does not need. It is file
// pages, shared with other processes, and yet counted as ours.
#pragma once

namespace weft {

// Unmaps those of the library or program that `within` points into; without it, of all. What is used is
// mapped again, page by page.
void give_back_code_pages(const void* within = nullptr) noexcept;

}  // namespace weft
