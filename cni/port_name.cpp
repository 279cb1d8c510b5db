#include "cni/port_name.h"

#include <cstdint>

#include "vswitch/mix.h"

namespace weft::cni {

std::string port_name(std::string_view network, std::string_view container, std::string_view ifname) {
    // FNV-1a, byte by byte and so the same on every machine; mix() spreads what it leaves in the low bits.
    std::uint64_t hash = 0xCBF2'9CE4'8422'2325;
    for (const char c : lease_owner(network, container, ifname)) {
        hash ^= static_cast<std::uint8_t>(c);
        hash *= 0x0000'0100'0000'01B3;
    }
    hash = mix(hash);
    constexpr std::string_view digits = "abcdefghijklmnopqrstuvwxyz234567";
    std::string name = "cni-";
    for (int i = 0; i < 11; ++i, hash >>= 5U) name += digits[hash & 31U];
    return name;
}

std::string lease_owner(std::string_view network, std::string_view container, std::string_view ifname) {
    std::string owner{network};
    return owner.append("/").append(container).append("/").append(ifname);
}

}  // namespace weft::cni
