#include "vswitch/emulation/random_stream.h"

#include <bit>
#include <cmath>

namespace weft {

namespace {

// FNV-1a, 64 bits.
std::uint64_t hash(std::string_view text) noexcept {
    std::uint64_t value = 0xCBF2'9CE4'8422'2325;
    for (const char c : text) {
        value ^= static_cast<unsigned char>(c);
        value *= 0x0000'0100'0000'01B3;
    }
    return value;
}

// A bijection whose every output bit depends on every input bit: SplitMix64's.
std::uint64_t scramble(std::uint64_t value) noexcept {
    value = (value ^ (value >> 30U)) * 0xBF58'476D'1CE4'E5B9;
    value = (value ^ (value >> 27U)) * 0x94D0'49BB'1331'11EB;
    return value ^ (value >> 31U);
}

}  // namespace

Chance::Chance(double probability) noexcept : is_certain_(probability >= 1) {
    constexpr int bits = 64;
    if (probability > 0 && probability < 1)
        threshold_ = static_cast<std::uint64_t>(std::ldexp(probability, bits));
}

RandomStream::RandomStream(std::uint64_t seed, std::string_view name, std::string_view purpose) noexcept {
    constexpr std::uint64_t golden = 0x9E37'79B9'7F4A'7C15;
    std::uint64_t value = scramble(seed + golden);
    value = scramble(value ^ hash(name));
    value = scramble(value ^ hash(purpose));
    for (std::uint64_t& word : state_) word = scramble(value += golden);
}

std::uint64_t RandomStream::next() noexcept {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17U;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
}

bool RandomStream::happens(const Chance& chance) noexcept {
    if (chance.is_certain_) return true;
    return chance.threshold_ != 0 && next() < chance.threshold_;
}

std::uint64_t RandomStream::up_to(std::uint64_t most) noexcept {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * (most + 1)) >> 64U);
}

}  // namespace weft
