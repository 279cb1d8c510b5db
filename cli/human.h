// Numbers as people read them: three significant figures at most, and the unit beside them.
#pragma once

#include <cstdint>
#include <string>

namespace weft {

std::string human_bytes(std::uint64_t bytes);               // "999 B", "1.2 MiB", "340 GiB"
std::string human_bit_rate(std::uint64_t bits_per_second);  // "0 bit/s", "1.2 Mbit/s"
std::string human_duration(double seconds);                 // "0.4s", "12s", "3m 12s", "5h 2m", "4d 7h"
std::string human_age(double seconds);                      // "3m 12s ago", "now"

}  // namespace weft
