#include "config/read_manual.h"

#include <array>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "config/fields.h"
#include "config/key_file.h"
#include "config/nearest.h"

namespace weft::config {

namespace {

constexpr std::uint32_t min_spi = 256;  // RFC 4303 section 2.1: those below are reserved

std::optional<Cipher> read_cipher(const Section& section) {
    const auto text = section.text("cipher");
    if (!text) return std::nullopt;
    const auto cipher = parse_cipher(*text);
    if (cipher) return cipher;
    const std::array ciphers{to_string(Cipher::aes_128_gcm), to_string(Cipher::aes_256_gcm),
                             to_string(Cipher::chacha20_poly1305)};
    section.problem(
        "cipher", fmt::format("{} is not a cipher", quoted(*text)),
        did_you_mean(*text, ciphers, fmt::format("use {}, {} or {}", ciphers[0], ciphers[1], ciphers[2])));
    return std::nullopt;
}

// Without a cipher the size of the key is unknown, and its file is left alone.
std::optional<SaKeys> read_sa(const Section& section, std::optional<Cipher> cipher) {
    section.check();
    const auto spi = read_number(section, "spi", min_spi, std::numeric_limits<std::uint32_t>::max());
    if (!cipher) return std::nullopt;
    SaKeys keys;
    keys.spi = spi.value_or(0);
    keys.cipher = *cipher;
    if (!read_sa_secret(section, "key_file", keys) || !spi) return std::nullopt;
    return keys;
}

}  // namespace

std::optional<ManualSa> read_manual(const Section& section) {
    section.check();
    const auto cipher = read_cipher(section);
    std::optional<SaKeys> outbound;
    std::optional<SaKeys> inbound;
    if (const auto send = section.table("send", manual_sa_schema)) outbound = read_sa(*send, cipher);
    if (const auto receive = section.table("receive", manual_sa_schema)) inbound = read_sa(*receive, cipher);
    auto counter_file = read_path(section, "counter_file");
    if (!outbound || !inbound || !counter_file) return std::nullopt;
    return ManualSa{.outbound = std::move(*outbound),
                    .inbound = std::move(*inbound),
                    .counter_file = std::move(*counter_file)};
}

}  // namespace weft::config
