#include "overlay/session_keys.h"

#include <algorithm>
#include <array>

#include "crypto/blake2s.h"

namespace weft {

SaKeys derive_sa_keys(const Secret<32>& transport_key, std::uint32_t spi, Cipher cipher) noexcept {
    const auto byte = [spi](unsigned shift) { return static_cast<std::uint8_t>(spi >> shift); };
    const std::array<std::uint8_t, 13> info{'w',
                                            'e',
                                            'f',
                                            't',
                                            ' ',
                                            'e',
                                            's',
                                            'p',
                                            byte(24),
                                            byte(16),
                                            byte(8),
                                            byte(0),
                                            static_cast<std::uint8_t>(cipher)};
    SaKeys keys;
    keys.spi = spi;
    keys.cipher = cipher;
    Secret<32 + 4> material;
    const auto used = material.writable().first(key_size(cipher) + keys.salt.size());
    hkdf_expand(transport_key.bytes(), info, used);
    std::ranges::copy(used.first(key_size(cipher)), keys.key.writable().begin());
    std::ranges::copy(used.last(keys.salt.size()), keys.salt.begin());
    return keys;
}

}  // namespace weft
