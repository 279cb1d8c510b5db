// Counts the calls of operator new of the program that it is linked into, for tests of what must not
// allocate. Of one thread.
#pragma once

#include <cstddef>

namespace weft::test {

extern bool counting;  // or they are not counted
extern std::size_t allocations;

}  // namespace weft::test
