#include "crypto/key.h"

#include <climits>
#include <cstdlib>

#include <openssl/crypto.h>
#include <openssl/rand.h>

namespace weft {

namespace {

// Base64 (RFC 4648 section 4) of exactly 32 bytes: 43 digits and one '='. The last digit carries four bits of
// key and two zeros. Digits and values are converted without a branch or a table lookup that depends on them,
// so that a key leaves no trace in timing or caches.
constexpr std::size_t key_bytes = 32;
constexpr std::size_t base64_digits = 43;

// The alphabet: the digits first..last stand for value, value + 1, ...
struct DigitRange {
    int first;
    int last;
    int value;
};

constexpr std::array<DigitRange, 5> alphabet{
    {{'A', 'Z', 0}, {'a', 'z', 26}, {'0', '9', 52}, {'+', '+', 62}, {'/', '/', 63}}};

// All ones if low <= x <= high, else zero.
constexpr int mask_in_range(int x, int low, int high) noexcept {
    return ((low - 1 - x) & (x - high - 1)) >> 31;
}

// The digit's value, or -1.
int value_of(char digit) noexcept {
    const int code = static_cast<unsigned char>(digit);
    int value = 0;
    int found = 0;
    for (const DigitRange& range : alphabet) {
        const int mask = mask_in_range(code, range.first, range.last);
        value |= mask & (code - range.first + range.value);
        found |= mask;
    }
    return value | ~found;
}

char digit_of(int value) noexcept {
    int code = 0;
    for (const DigitRange& range : alphabet) {
        const int mask = mask_in_range(value, range.value, range.value + range.last - range.first);
        code |= mask & (value - range.value + range.first);
    }
    return static_cast<char>(code);
}

std::string_view trimmed(std::string_view text) noexcept {
    constexpr std::string_view white = " \t\r\n";
    const std::size_t first = text.find_first_not_of(white);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(white) - first + 1);
}

// False, with `bytes` undefined, if the text is not the one base64 form of 32 bytes.
bool decode(std::string_view text, std::span<std::uint8_t, key_bytes> bytes) noexcept {
    text = trimmed(text);
    if (text.size() != base64_digits + 1 || text.back() != '=') return false;
    int invalid = 0;
    std::uint32_t pending = 0;  // the low `pending_bits` bits wait for a whole byte
    unsigned pending_bits = 0;
    std::size_t written = 0;
    for (const char digit : text.substr(0, base64_digits)) {
        const int value = value_of(digit);
        invalid |= value;
        pending = pending << 6U | (static_cast<std::uint32_t>(value) & 0x3fU);
        pending_bits += 6;
        if (pending_bits < 8) continue;
        pending_bits -= 8;
        bytes[written++] = static_cast<std::uint8_t>(pending >> pending_bits);
    }
    const bool canonical = (pending & 3U) == 0;
    return invalid >= 0 && canonical;
}

std::string encode(std::span<const std::uint8_t, key_bytes> bytes) {
    std::string text;
    text.reserve(base64_digits + 1);  // growing would leave copies behind
    std::uint32_t pending = 0;
    unsigned pending_bits = 0;
    for (const std::uint8_t byte : bytes) {
        pending = pending << 8U | byte;
        pending_bits += 8;
        for (; pending_bits >= 6; pending_bits -= 6)
            text.push_back(digit_of(static_cast<int>(pending >> (pending_bits - 6) & 0x3fU)));
    }
    text.push_back(digit_of(static_cast<int>(pending << (6 - pending_bits) & 0x3fU)));
    text.push_back('=');
    return text;
}

}  // namespace

void wipe(std::span<std::uint8_t> bytes) noexcept {
    OPENSSL_cleanse(bytes.data(), bytes.size());
}

bool equal_in_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) noexcept {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::optional<PublicKey> PublicKey::parse(std::string_view base64) noexcept {
    std::optional<PublicKey> key{std::in_place};
    if (!decode(base64, key->bytes)) key.reset();
    return key;
}

std::string PublicKey::to_string() const {
    return encode(bytes);
}

std::optional<Secret<32>> parse_secret(std::string_view base64) noexcept {
    std::optional<Secret<32>> secret{std::in_place};
    if (!decode(base64, secret->writable())) secret.reset();
    return secret;
}

std::string to_base64(const Secret<32>& secret) {
    return encode(secret.bytes());
}

void fill_random(std::span<std::uint8_t> bytes) noexcept {
    if (bytes.size() > INT_MAX || RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
        std::abort();
}

}  // namespace weft
