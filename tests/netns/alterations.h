// What an attacker in the path makes of genuine datagrams. Every alteration differs from all that it was
// given; its choices come from a seed. Datagrams are kept as strings, as tests/support/test_socket.h sends
// them.
//
// One may come out as what every receiver passes over in silence, and no counter knows of: a NAT keepalive (a
// single byte 0xFF) or nothing at all. silent() tells them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/blake2s.h"
#include "crypto/esp.h"
#include "overlay/handshake_message.h"
#include "tests/support/seeded_random.h"

namespace weft::test {

enum class Alteration : std::uint8_t { flip, truncate, extend, splice, forge };

inline constexpr Alteration all_alterations[] = {Alteration::flip, Alteration::truncate, Alteration::extend,
                                                 Alteration::splice, Alteration::forge};

inline bool is_control(std::string_view datagram) noexcept {
    return datagram.size() > 4 && datagram.starts_with(std::string_view{"\0\0\0\0", 4});
}

inline bool silent(std::string_view datagram) noexcept {
    return datagram.empty() || datagram == "\xff";
}

class Alterer {
  public:
    explicit Alterer(std::uint64_t seed) : random_(seed) {}

    [[nodiscard]] SeededRandom& random() noexcept { return random_; }

    // `other` is a second genuine datagram, for the tail of a splice.
    std::string alter(Alteration how, const std::string& genuine, const std::string& other) {
        std::string altered = altered_once(how, genuine, other);
        while (altered == genuine || altered == other)  // no splice of two that are alike differs from both
            altered = altered_once(Alteration::flip, genuine, other);
        return altered;
    }

    // As if the attacker knew for whom a handshake message is: its mac1 is right again.
    static void correct_mac1(std::string& datagram, const PublicKey& recipient) {
        constexpr std::size_t macs = 32;
        if (datagram.size() < macs) return;
        auto* const bytes = reinterpret_cast<std::uint8_t*>(datagram.data());
        const std::size_t covered = datagram.size() - macs;
        blake2s_mac(mac1_key(recipient), ByteView{bytes, covered},
                    std::span<std::uint8_t, 16>{bytes + covered, 16});
    }

  private:
    std::string altered_once(Alteration how, const std::string& genuine, const std::string& other) {
        std::string altered = genuine;
        switch (how) {
            case Alteration::flip:
                altered[random_.below(altered.size())] ^= static_cast<char>(1U << random_.below(8));
                break;
            case Alteration::truncate:
                altered.resize(random_.below(altered.size()));
                break;
            case Alteration::extend:
                altered += noise(1 + random_.below(64));
                break;
            case Alteration::splice: {
                const std::size_t cut = 1 + random_.below(std::min(genuine.size(), other.size()) - 1);
                altered = genuine.substr(0, cut) + other.substr(cut);
                break;
            }
            case Alteration::forge:
                return forged(genuine);
        }
        return altered;
    }

    // Nothing is genuine but the SPI and, often, a number near the sender's own.
    std::string forged(const std::string& genuine) {
        std::string datagram = genuine.substr(0, 4) + noise(4 + 8 + 4 * random_.below(200) + 4 + 16);
        if (random_.chance(0.75) && !is_control(genuine)) {
            datagram.replace(4, 3, genuine, 4, 3);
            datagram.replace(8, 7, genuine, 8, 7);
        }
        return datagram;
    }

    std::string noise(std::size_t size) {
        std::string bytes(size, '\0');
        random_.fill({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
        return bytes;
    }

    SeededRandom random_;
};

}  // namespace weft::test
