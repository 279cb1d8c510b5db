#include "overlay/random.h"

#include "crypto/key.h"

namespace weft {

void SystemRandom::fill(std::span<std::uint8_t> bytes) noexcept {
    fill_random(bytes);
}

}  // namespace weft
